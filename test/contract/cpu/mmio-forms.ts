// SPDX-License-Identifier: GPL-2.0-only
// Every kind of instruction that loads from or stores to device memory, and the accesses each must make.
// Device memory is 8000 to 9fff; the n-th read is answered 11223344 + n * 01010101 (high half 8899aabb + ...).
import { both } from '../../helpers/guest-code.ts';
import type { Form } from './forms.ts';

/** Loads and stores, string instructions. */
export const MMIO_MOVE_FORMS: readonly Form[] = [
  {
    name: 'mov al,[m]',
    sees: 'r1@8010',
    eax: 0x44,
    code: both('6631c0a01080', '31c0a010800000', 'xor eax,eax; mov al,[0x8010]'),
  },
  {
    name: 'mov ax,[m]',
    sees: 'r2@8010',
    eax: 0x3344,
    code: both('6631c0a11080', '31c066a110800000', 'xor eax,eax; mov ax,[0x8010]'),
  },
  {
    name: 'mov eax,[m]',
    sees: 'r4@8010',
    eax: 0x11223344,
    code: both('66a11080', 'a110800000', 'mov eax,[0x8010]'),
  },
  {
    name: 'mov [m],al',
    sees: 'w1@8010=d4',
    code: both('66b8d4c3b2a1a21080', 'b8d4c3b2a1a210800000', 'mov eax,0xa1b2c3d4; mov [0x8010],al'),
  },
  {
    name: 'mov [m],ax',
    sees: 'w2@8010=c3d4',
    code: both(
      '66b8d4c3b2a1a31080',
      'b8d4c3b2a166a310800000',
      'mov eax,0xa1b2c3d4; mov [0x8010],ax',
    ),
  },
  {
    name: 'mov [m],eax',
    sees: 'w4@8010=a1b2c3d4',
    code: both(
      '66b8d4c3b2a166a31080',
      'b8d4c3b2a1a310800000',
      'mov eax,0xa1b2c3d4; mov [0x8010],eax',
    ),
  },
  {
    name: 'mov byte [m],imm',
    sees: 'w1@8010=5a',
    code: both('c60610805a', 'c605108000005a', 'mov byte [0x8010],0x5a'),
  },
  {
    name: 'mov dword [m],imm',
    sees: 'w4@8010=1234567',
    code: both('66c706108067452301', 'c7051080000067452301', 'mov dword [0x8010],0x1234567'),
  },
  {
    name: 'movzx, movsx',
    sees: 'r1@8010 r2@8012',
    eax: 0x3445,
    code: both(
      '660fb61e1080660fbf061280',
      '0fb61d108000000fbf0512800000',
      'movzx ebx,byte [0x8010]; movsx eax,word [0x8012]',
    ),
  },
  {
    name: 'movq mm,[m]; movq [m],mm',
    sees: 'r8@8010 w8@8018=8899aabb11223344',
    code: both(
      '0f6f0610800f7f0618800f77',
      '0f6f05108000000f7f05188000000f77',
      'movq mm0,[0x8010]; movq [0x8018],mm0; emms',
    ),
  },
  {
    name: 'movups xmm,[m]; movups [m],xmm',
    sees: 'r8@8010 r8@8018 w8@8020=8899aabb11223344 w8@8028=899aabbc12233445',
    code: both(
      '0f100610800f11062080',
      '0f1005108000000f110520800000',
      'movups xmm0,[0x8010]; movups [0x8020],xmm0',
    ),
  },
  {
    name: 'movs RAM to device',
    sees: 'w1@8010=5b w2@8011=a580 w4@8013=3914efca',
    code: both(
      '66be1040000066bf10800000a4a566a5',
      'be10400000bf10800000a466a5a5',
      'mov esi,0x4010; mov edi,0x8010; movsb; movsw; movsd',
    ),
  },
  {
    name: 'movs device to RAM',
    sees: 'r1@8010 r2@8011 r4@8013',
    code: both(
      '66be1080000066bf10400000a4a566a5',
      'be10800000bf10400000a466a5a5',
      'mov esi,0x8010; mov edi,0x4010; movsb; movsw; movsd',
    ),
  },
  {
    name: 'movs device to device',
    sees: 'r1@8010 w1@9010=44 r2@8011 w2@9011=3546 r4@8013 w4@9013=15263748',
    code: both(
      '66be1080000066bf10900000a4a566a5',
      'be10800000bf10900000a466a5a5',
      'mov esi,0x8010; mov edi,0x9010; movsb; movsw; movsd',
    ),
  },
  {
    name: 'rep movs RAM to device',
    sees: 'w4@8010=caa5805b w4@8014=5e3914ef',
    code: both(
      '66b90200000066be1040000066bf10800000f366a5',
      'b902000000be10400000bf10800000f3a5',
      'mov ecx,2; mov esi,0x4010; mov edi,0x8010; rep movsd',
    ),
  },
  {
    name: 'rep movs device to RAM, down',
    sees: 'r2@8010 r2@800e r2@800c',
    code: both(
      '66b90300000066be1080000066bf10400000fdf3a5fc',
      'b903000000be10800000bf10400000fdf366a5fc',
      'mov ecx,3; mov esi,0x8010; mov edi,0x4010; std; rep movsw; cld',
    ),
  },
  {
    name: 'rep movs device to device',
    sees: 'r1@8010 w1@9010=44 r1@8011 w1@9011=46 r1@8012 w1@9012=48',
    code: both(
      '66b90300000066be1080000066bf10900000f3a4',
      'b903000000be10800000bf10900000f3a4',
      'mov ecx,3; mov esi,0x8010; mov edi,0x9010; rep movsb',
    ),
  },
  {
    name: 'rep movs running from device memory into RAM',
    sees: 'r4@9ff8 r4@9ffc',
    code: both(
      '66b90400000066bef89f000066bf10400000f366a5',
      'b904000000bef89f0000bf10400000f3a5',
      'mov ecx,4; mov esi,0x9ff8; mov edi,0x4010; rep movsd',
    ),
  },
  {
    name: 'stos',
    sees: 'w1@8010=d4 w2@8011=c3d4 w4@8013=a1b2c3d4',
    code: both(
      '66b8d4c3b2a166bf10800000aaab66ab',
      'b8d4c3b2a1bf10800000aa66abab',
      'mov eax,0xa1b2c3d4; mov edi,0x8010; stosb; stosw; stosd',
    ),
  },
  {
    name: 'rep stos',
    sees: 'w2@8010=c3d4 w2@8012=c3d4 w2@8014=c3d4',
    code: both(
      '66b8d4c3b2a166b90300000066bf10800000f3ab',
      'b8d4c3b2a1b903000000bf10800000f366ab',
      'mov eax,0xa1b2c3d4; mov ecx,3; mov edi,0x8010; rep stosw',
    ),
  },
  {
    name: 'rep stos from RAM into device memory',
    sees: 'w4@8000=a1b2c3d4 w4@8004=a1b2c3d4',
    code: both(
      '66b8d4c3b2a166b90400000066bff87f0000f366ab',
      'b8d4c3b2a1b904000000bff87f0000f3ab',
      'mov eax,0xa1b2c3d4; mov ecx,4; mov edi,0x7ff8; rep stosd',
    ),
  },
  {
    name: 'lods',
    sees: 'r1@8010 r2@8011 r4@8013',
    eax: 0x13243546,
    code: both('66be10800000acad66ad', 'be10800000ac66adad', 'mov esi,0x8010; lodsb; lodsw; lodsd'),
  },
  {
    name: 'rep lods',
    sees: 'r4@8010 r4@8014 r4@8018',
    eax: 0x13243546,
    code: both(
      '66b90300000066be10800000f366ad',
      'b903000000be10800000f3ad',
      'mov ecx,3; mov esi,0x8010; rep lodsd',
    ),
  },
  {
    name: 'repe cmps with RAM, ends at the third',
    sees: 'r1@8010 r1@8011 r1@8012',
    answers: [0x5b, 0x80, 0x77],
    code: both(
      '66b90900000066be1080000066bf10400000f3a6',
      'b909000000be10800000bf10400000f3a6',
      'mov ecx,9; mov esi,0x8010; mov edi,0x4010; repe cmpsb',
    ),
  },
  {
    name: 'repne cmps with RAM, ends at the third',
    sees: 'r2@8010 r2@8012 r2@8014',
    answers: [1, 2, 0x14ef],
    code: both(
      '66b90900000066be1040000066bf10800000f2a7',
      'b909000000be10400000bf10800000f266a7',
      'mov ecx,9; mov esi,0x4010; mov edi,0x8010; repne cmpsw',
    ),
  },
  {
    name: 'repe cmps of two devices, runs out',
    sees: 'r4@8010 r4@9010 r4@8014 r4@9014',
    answers: [5, 5, 6, 6],
    code: both(
      '66b90200000066be1080000066bf10900000f366a7',
      'b902000000be10800000bf10900000f3a7',
      'mov ecx,2; mov esi,0x8010; mov edi,0x9010; repe cmpsd',
    ),
  },
  {
    name: 'cmpsb of two devices, the other segment first',
    sees: 'r1@9011 r1@8010',
    answers: [5, 6],
    code: both(
      '66be1190000066bf1080000026a6',
      'be11900000bf1080000026a6',
      'mov esi,0x9011; mov edi,0x8010; es cmpsb',
    ),
  },
  {
    name: 'repe cmpsw of one device page, addresses of 16 bits',
    sees: 'r2@8010 r2@8020 r2@8012 r2@8022',
    answers: [5, 5, 6, 7],
    code: both(
      '66b90300000066be1080000066bf20800000f3a7',
      'b903000000be10800000bf208000006667f3a7',
      'mov ecx,3; mov esi,0x8010; mov edi,0x8020; repe cmpsw, SI and DI',
    ),
  },
  {
    name: 'repne scas, ends at the third',
    sees: 'r1@8010 r1@8011 r1@8012',
    answers: [1, 2, 0x77],
    code: both(
      '66b87700000066b90900000066bf10800000f2ae',
      'b877000000b909000000bf10800000f2ae',
      'mov eax,0x77; mov ecx,9; mov edi,0x8010; repne scasb',
    ),
  },
  {
    name: 'repe scas, ends at the second',
    sees: 'r4@8010 r4@8014',
    answers: [7, 8],
    code: both(
      '66b80700000066b90900000066bf10800000f366af',
      'b807000000b909000000bf10800000f3af',
      'mov eax,7; mov ecx,9; mov edi,0x8010; repe scasd',
    ),
  },
];

/** Read-modify-write, locked and not; instructions that read and compare only. */
export const MMIO_RMW_FORMS: readonly Form[] = [
  {
    name: 'rcl with carry',
    sees: 'r4@8010 w4@8010=22446689',
    code: both('f966d1161080', 'f9d11510800000', 'stc; rcl dword [0x8010],1'),
  },
  {
    name: 'rcl behind a subtraction',
    sees: 'r4@8010 w4@8010=22446689 r1@8010 w1@8010=8d',
    code: both(
      '66b8010000006683f80266c1161080216683f802d01610800f90c1',
      'b80100000083f802c115108000002183f802d015108000000f90c1',
      'mov eax,1; cmp eax,2; rcl dword [0x8010],33; cmp eax,2; rcl byte [0x8010],1; seto cl',
    ),
  },
  {
    name: 'rcr behind an addition, flags kept',
    sees: 'r2@8010 w2@8010=8933 r2@8010 w2@8010=1aa3',
    code: both(
      '66b8000000806601c0b108d31e10806683c0ffd11e1080',
      'b80000008001c0b10866d31d1080000083c0ff66d11d10800000',
      'mov eax,0x80000000; add eax,eax; mov cl,8; rcr word [0x8010],cl; add eax,0xffffffff; rcr word [0x8010],1',
    ),
  },
  {
    name: 'setp, setbe, setl, seto',
    sees: 'w1@8010=1 w1@8011=1 w1@8012=1 w1@8013=0',
    code: both(
      '6631c0fec804040f9a06108004fd0f96061180b08020c00f9c0612800f90061380',
      '31c0fec804040f9a051080000004fd0f960511800000b08020c00f9c05128000000f900513800000',
      'xor eax,eax; dec al; add al,4; setp [0x8010]; add al,0xfd; setbe [0x8011]; mov al,0x80; and al,al; setl [0x8012]; seto [0x8013]',
    ),
  },
  {
    name: 'add [m],r8',
    sees: 'r1@8010 w1@8010=45',
    code: both('66b80100000000061080', 'b801000000000510800000', 'mov eax,1; add [0x8010],al'),
  },
  {
    name: 'add [m],r16',
    sees: 'r2@8010 w2@8010=3345',
    code: both('66b80100000001061080', 'b80100000066010510800000', 'mov eax,1; add [0x8010],ax'),
  },
  {
    name: 'add [m],r32',
    sees: 'r4@8010 w4@8010=11223345',
    code: both('66b8010000006601061080', 'b801000000010510800000', 'mov eax,1; add [0x8010],eax'),
  },
  {
    name: 'adc with carry',
    sees: 'r4@8010 w4@8010=11223346',
    code: both('f9668316108001', 'f983151080000001', 'stc; adc dword [0x8010],1'),
  },
  {
    name: 'sub',
    sees: 'r4@8010 w4@8010=11223343',
    code: both('66832e108001', '832d1080000001', 'sub dword [0x8010],1'),
  },
  {
    name: 'or',
    sees: 'r4@8010 w4@8010=112233ff',
    code: both('66810e1080ff000000', '810d10800000ff000000', 'or dword [0x8010],0xff'),
  },
  {
    name: 'and',
    sees: 'r4@8010 w4@8010=44',
    code: both('6681261080ff000000', '812510800000ff000000', 'and dword [0x8010],0xff'),
  },
  {
    name: 'xor',
    sees: 'r4@8010 w4@8010=112233bb',
    code: both('6681361080ff000000', '813510800000ff000000', 'xor dword [0x8010],0xff'),
  },
  {
    name: 'inc',
    sees: 'r4@8010 w4@8010=11223345',
    code: both('66ff061080', 'ff0510800000', 'inc dword [0x8010]'),
  },
  {
    name: 'dec keeps carry',
    sees: 'r2@8010 w2@8010=3343',
    code: both('f9ff0e1080', 'f966ff0d10800000', 'stc; dec word [0x8010]'),
  },
  {
    name: 'neg',
    sees: 'r4@8010 w4@8010=eeddccbc',
    code: both('66f71e1080', 'f71d10800000', 'neg dword [0x8010]'),
  },
  {
    name: 'not',
    sees: 'r4@8010 w4@8010=eeddccbb',
    code: both('66f7161080', 'f71510800000', 'not dword [0x8010]'),
  },
  {
    name: 'shl',
    sees: 'r4@8010 w4@8010=22446688',
    code: both('66d1261080', 'd12510800000', 'shl dword [0x8010],1'),
  },
  {
    name: 'bts',
    sees: 'r4@8010 w4@8010=91223344',
    code: both('660fba2e10801f', '0fba2d108000001f', 'bts dword [0x8010],31'),
  },
  {
    name: 'btr of a bit behind',
    sees: 'r4@8014 w4@8014=11223340',
    code: both(
      '66b822000000660fb3061080',
      'b8220000000fb30510800000',
      'mov eax,34; btr dword [0x8010],eax',
    ),
  },
  {
    name: 'xchg',
    sees: 'r4@8010 w4@8010=a1b2c3d4',
    eax: 0x11223344,
    code: both(
      '66b8d4c3b2a16687061080',
      'b8d4c3b2a1870510800000',
      'mov eax,0xa1b2c3d4; xchg eax,[0x8010]',
    ),
  },
  {
    name: 'xadd',
    sees: 'r4@8010 w4@8010=11223349',
    eax: 0x11223344,
    code: both(
      '66b805000000660fc1061080',
      'b8050000000fc10510800000',
      'mov eax,5; xadd [0x8010],eax',
    ),
  },
  {
    name: 'cmpxchg, taken',
    sees: 'r4@8010 w4@8010=7',
    eax: 0x11223344,
    code: both(
      '66b84433221166b907000000660fb10e1080',
      'b844332211b9070000000fb10d10800000',
      'mov eax,0x11223344; mov ecx,7; cmpxchg [0x8010],ecx',
    ),
  },
  {
    name: 'cmpxchg, not taken',
    sees: 'r4@8010 w4@8010=11223344',
    eax: 0x11223344,
    code: both(
      '66b80500000066b907000000660fb10e1080',
      'b805000000b9070000000fb10d10800000',
      'mov eax,5; mov ecx,7; cmpxchg [0x8010],ecx',
    ),
  },
  {
    name: 'lock add',
    sees: 'r4@8010 w4@8010=11223345',
    code: both('f0668306108001', 'f083051080000001', 'lock add dword [0x8010],1'),
  },
  {
    name: 'lock xadd',
    sees: 'r2@8010 w2@8010=3349',
    eax: 0x3344,
    code: both(
      '66b805000000f00fc1061080',
      'b805000000f0660fc10510800000',
      'mov eax,5; lock xadd [0x8010],ax',
    ),
  },
  {
    name: 'lock cmpxchg, taken',
    sees: 'r1@8010 w1@8010=7',
    eax: 0x44,
    code: both(
      '66b84400000066b907000000f00fb00e1080',
      'b844000000b907000000f00fb00d10800000',
      'mov eax,0x44; mov ecx,7; lock cmpxchg [0x8010],cl',
    ),
  },
  {
    name: 'cmpxchg8b, taken',
    sees: 'r8@8010 w8@8010=800000007',
    eax: 0x11223344,
    code: both(
      '66b84433221166babbaa998866bb0700000066b9080000006631f60fc70e1080',
      'b844332211babbaa9988bb07000000b90800000031f60fc70d10800000',
      'mov eax,0x11223344; mov edx,0x8899aabb; mov ebx,7; mov ecx,8; xor esi,esi; cmpxchg8b [0x8010]',
    ),
  },
  {
    name: 'setc',
    sees: 'w1@8010=1',
    code: both('f90f92061080', 'f90f920510800000', 'stc; setc [0x8010]'),
  },
  {
    name: 'cmp, test, bt',
    sees: 'r4@8010 r2@8010 r4@8010',
    code: both(
      '66813e108044332211f70610800100660fba26108003',
      '813d108000004433221166f7051080000001000fba251080000003',
      'cmp dword [0x8010],0x11223344; test word [0x8010],1; bt dword [0x8010],3',
    ),
  },
  {
    name: 'imul, cmovc',
    sees: 'r4@8010 r4@8010',
    eax: 0x12233445,
    code: both(
      '66b803000000666b1e108003f9660f42061080',
      'b8030000006b1d1080000003f90f420510800000',
      'mov eax,3; imul ebx,[0x8010],3; stc; cmovc eax,[0x8010]',
    ),
  },
  {
    name: 'two in one block',
    sees: 'r4@8010 w4@8010=11223345 r4@8010 w4@8010=13243547',
    code: both(
      '66ff061080664166ff061080',
      'ff051080000041ff0510800000',
      'inc dword [0x8010]; inc ecx; inc dword [0x8010]',
    ),
  },
];

/** Stack and control transfer through device memory, x87, odd places. CS:1000 (linear 1400) ends every form, too. */
export const MMIO_ODD_FORMS: readonly Form[] = [
  {
    name: 'push m',
    sees: 'r4@8010',
    code: both('66ff3610806658', 'ff351080000058', 'push dword [0x8010]; pop eax'),
    eax: 0x11223344,
  },
  {
    name: 'pop m',
    sees: 'w4@8010=a1b2c3d4',
    code: both(
      '6668d4c3b2a1668f061080',
      '68d4c3b2a18f0510800000',
      'push dword 0xa1b2c3d4; pop dword [0x8010]',
    ),
  },
  {
    name: 'call m',
    sees: 'r2@8010',
    modes: [16],
    answers: [0x1000],
    code: both('ff161080', '66ff1510800000', 'call word [0x8010]'),
  },
  {
    name: 'call m, 32 bits',
    sees: 'r4@8010',
    answers: [0x1000],
    code: both('66ff161080', 'ff1510800000', 'call dword [0x8010]'),
  },
  {
    name: 'jmp m',
    sees: 'r4@8010',
    answers: [0x1000],
    code: both('66ff261080', 'ff2510800000', 'jmp dword [0x8010]'),
  },
  {
    name: 'call far m',
    sees: 'r2@8010 r2@8012',
    modes: [16],
    answers: [0x1000, 0x40],
    code: both('ff1e1080', 'ff1d10800000', 'call far [0x8010]'),
  },
  {
    name: 'jmp far m',
    sees: 'r2@8010 r2@8012',
    modes: [16],
    answers: [0x1000, 0x40],
    code: both('ff2e1080', 'ff2d10800000', 'jmp far [0x8010]'),
  },
  {
    name: 'push onto a device',
    sees: 'w4@80fc=a1b2c3d4',
    code: both(
      '66bc0081000066b8d4c3b2a1665066bc00700000',
      'bc00810000b8d4c3b2a150bc00700000',
      'mov esp,0x8100; mov eax,0xa1b2c3d4; push eax; mov esp,0x7000',
    ),
  },
  {
    name: 'pop from a device',
    sees: 'r4@8100',
    eax: 0x11223344,
    code: both(
      '66bc00810000665866bc00700000',
      'bc0081000058bc00700000',
      'mov esp,0x8100; pop eax; mov esp,0x7000',
    ),
  },
  {
    name: 'call and ret with the stack in a device',
    sees: 'w4@80fc=c12 r4@80fc w4@80fc=2',
    answers: [0, 0x1000],
    modes: [32],
    code: both('66bc00810000e80200c3', 'bc00810000e800000000c3', 'mov esp,0x8100; call $+5; ret'),
  },
  {
    name: 'pusha onto a device',
    sees: 'w4@80fc=5 w4@80f8=6 w4@80f4=7 w4@80f0=10 w4@80ec=8100 w4@80e8=0 w4@80e4=0 w4@80e0=0',
    code: both(
      '66bc0081000066b80500000066b90600000066ba0700000066bb10000000666066bc00700000',
      'bc00810000b805000000b906000000ba07000000bb1000000060bc00700000',
      'mov esp,0x8100; mov eax,5; mov ecx,6; mov edx,7; mov ebx,16; pushad; mov esp,0x7000',
    ),
  },
  {
    name: 'pusha over a page end',
    sees: 'w4@9004=5 w4@9000=6 w4@8ffc=7 w4@8ff8=10 w4@8ff4=9008 w4@8ff0=0 w4@8fec=0 w4@8fe8=0',
    code: both(
      '66bc0890000066b80500000066b90600000066ba0700000066bb10000000666066bc00700000',
      'bc08900000b805000000b906000000ba07000000bb1000000060bc00700000',
      'mov esp,0x9008; mov eax,5; mov ecx,6; mov edx,7; mov ebx,16; pushad; mov esp,0x7000',
    ),
  },
  {
    name: 'pushaw behind a page end, 16-bit operands',
    sees: 'w2@8002=5 w2@8000=6',
    code: both(
      '66bc0480000066b80500000066b90600000066ba0700000066bb100000006066bc00700000',
      'bc04800000b805000000b906000000ba07000000bb100000006660bc00700000',
      'mov esp,0x8004; mov eax,5; mov ecx,6; mov edx,7; mov ebx,16; pushaw; mov esp,0x7000',
    ),
    partial: 'the emulator stores to RAM, then to the device',
  },
  {
    name: 'popa from a device',
    sees: 'r4@8100 r4@8104 r4@8108 r4@8110 r4@8114 r4@8118 r4@811c',
    eax: 0x1728394a,
    code: both(
      '66bc00810000666166bc00700000',
      'bc0081000061bc00700000',
      'mov esp,0x8100; popad; mov esp,0x7000',
    ),
  },
  {
    name: 'xlat, lea is no access',
    sees: 'r1@8015',
    eax: 0x44,
    code: both(
      '668d1e108066b805000000d7',
      '8d1d10800000b805000000d7',
      'lea ebx,[0x8010]; mov eax,5; xlatb',
    ),
  },
  {
    name: 'unaligned',
    sees: 'r4@8011 w4@8015=11223344 r2@8013',
    code: both(
      '66a1118066a315808b1e1380',
      'a111800000a315800000668b1d13800000',
      'mov eax,[0x8011]; mov [0x8015],eax; mov bx,[0x8013]',
    ),
  },
  {
    name: 'load across two device pages',
    sees: 'r2@8ffe r2@9000',
    eax: 0x34453344,
    code: both('66a1fe8f', 'a1fe8f0000', 'mov eax,[0x8ffe]'),
  },
  {
    name: 'store across two device pages',
    sees: 'w1@8fff=d4 w3@9000=a1b2c3',
    code: both(
      '66b8d4c3b2a166a3ff8f',
      'b8d4c3b2a1a3ff8f0000',
      'mov eax,0xa1b2c3d4; mov [0x8fff],eax',
    ),
  },
  {
    name: 'read-modify-write across two device pages',
    sees: 'r3@8ffd r1@9000 w3@8ffd=223345 w1@9000=45',
    code: both('66ff06fd8f', 'ff05fd8f0000', 'inc dword [0x8ffd]'),
  },
  {
    name: 'load across RAM and device',
    sees: 'r2@8000',
    eax: 0x3344e6c1,
    code: both('66a1fe7f', 'a1fe7f0000', 'mov eax,[0x7ffe]'),
  },
  {
    name: 'store across RAM and device',
    sees: 'w2@8000=a1b2',
    code: both(
      '66b8d4c3b2a166a3fe7f',
      'b8d4c3b2a1a3fe7f0000',
      'mov eax,0xa1b2c3d4; mov [0x7ffe],eax',
    ),
  },
  {
    name: 'read-modify-write across RAM and device',
    sees: 'r3@8000 w3@8000=223344',
    code: both('66ff06ff7f', 'ff05ff7f0000', 'inc dword [0x7fff]'),
  },
  {
    name: 'load across device and RAM',
    sees: 'r2@9ffe',
    eax: 0x300b3344,
    code: both('66a1fe9f', 'a1fe9f0000', 'mov eax,[0x9ffe]'),
  },
  {
    name: 'store across device and RAM',
    sees: 'w3@9ffd=b2c3d4',
    code: both(
      '66b8d4c3b2a166a3fd9f',
      'b8d4c3b2a1a3fd9f0000',
      'mov eax,0xa1b2c3d4; mov [0x9ffd],eax',
    ),
  },
  {
    name: 'read-modify-write across device and RAM',
    sees: 'r2@9ffe w2@9ffe=3345',
    code: both('66ff06fe9f', 'ff05fe9f0000', 'inc dword [0x9ffe]'),
  },
  {
    name: 'eight bytes across RAM and device',
    sees: 'r3@8000 w3@8000=223344',
    code: both(
      '0f6f06fb7f0f7f06fb7f0f77',
      '0f6f05fb7f00000f7f05fb7f00000f77',
      'movq mm0,[0x7ffb]; movq [0x7ffb],mm0; emms',
    ),
  },
  {
    name: 'movs across the end of a device',
    sees: 'r2@9ffe w2@8000=300b',
    code: both(
      '66befe9f000066bffe7f000066a5',
      'befe9f0000bffe7f0000a5',
      'mov esi,0x9ffe; mov edi,0x7ffe; movsd',
    ),
  },
  {
    name: 'fld m32, fstp m64',
    sees: 'r4@8010 w8@8018=3ff0000000000000',
    answers: [0x3f800000],
    code: both(
      'dbe3d9061080dd1e1880',
      'dbe3d90510800000dd1d18800000',
      'fninit; fld dword [0x8010]; fstp qword [0x8018]',
    ),
  },
  {
    name: 'fld m80, fstp m80',
    sees: 'r8@8010 r2@8018 w8@8020=8899aabb11223344 w2@8028=3445',
    code: both(
      'dbe3db2e1080db3e2080',
      'dbe3db2d10800000db3d20800000',
      'fninit; fld tword [0x8010]; fstp tword [0x8020]',
    ),
  },
  {
    name: 'fild, fistp',
    sees: 'r4@8010 w4@8014=11223344',
    code: both(
      'dbe3db061080db1e1480',
      'dbe3db0510800000db1d14800000',
      'fninit; fild dword [0x8010]; fistp dword [0x8014]',
    ),
  },
  {
    name: 'fnstcw, fldcw',
    sees: 'w2@8010=37f r2@8012',
    answers: [0, 0x37f],
    code: both(
      'dbe3d93e1080d92e1280',
      'dbe3d93d10800000d92d12800000',
      'fninit; fnstcw [0x8010]; fldcw [0x8012]',
    ),
  },
  {
    name: 'sgdt, lgdt',
    sees: 'w2@8010=ffff w4@8012=0 r2@8018 r4@801a',
    answers: [0, 0, 0x77, 0x5000],
    code: both(
      '660f01061080660f01161880',
      '0f0105108000000f011518800000',
      'o32 sgdt [0x8010]; o32 lgdt [0x8018]',
    ),
  },
  {
    name: 'les',
    sees: 'r4@8010 r2@8014',
    modes: [16],
    answers: [0x1234, 0],
    eax: 0x1234,
    code: both('66c4061080', 'c40510800000', 'o32 les eax,[0x8010]'),
  },
  {
    name: 'bound, within',
    sees: 'r4@8010 r4@8014',
    answers: [1, 9],
    code: both(
      '66b8050000006662061080',
      'b805000000620510800000',
      'mov eax,5; o32 bound eax,[0x8010]',
    ),
  },
  {
    name: 'enter onto a device',
    sees: 'w4@80fc=0 w4@80f8=80fc',
    modes: [32],
    code: both(
      '6631ed66bc00810000c810000166bc00700000',
      '31edbc00810000c8100001bc00700000',
      'xor ebp,ebp; mov esp,0x8100; enter 16,1; mov esp,0x7000',
    ),
  },
  {
    name: 'pusha across device and RAM',
    partial: 'the emulator stores to RAM, then to the device',
    sees: 'w4@800c=5 w4@8008=6 w4@8004=7 w4@8000=10',
    code: both(
      '66bc1080000066b80500000066b90600000066ba0700000066bb10000000666066bc00700000',
      'bc10800000b805000000b906000000ba07000000bb1000000060bc00700000',
      'mov esp,0x8010; mov eax,5; mov ecx,6; mov edx,7; mov ebx,16; pushad; mov esp,0x7000',
    ),
  },
  {
    name: 'popa across RAM and device',
    sees: 'r4@8000 r4@8004 r4@8008 r4@800c',
    eax: 0x14253647,
    code: both(
      '66bcf07f0000666166bc00700000',
      'bcf07f000061bc00700000',
      'mov esp,0x7ff0; popad; mov esp,0x7000',
    ),
  },
  {
    name: 'fnsave across RAM and device, frstor',
    partial: 'as pusha; a state is loaded piece by piece',
    modes: [32],
    sees: 'w2@8000=0 w2@8002=0 w8@8004=0 w2@800c=0 w8@800e=0 w2@8016=0 w8@8018=0 w2@8020=0 w8@8022=0 w2@802a=0 r2@8000 r2@8002 r8@8004 r2@800c r8@800e r2@8016 r8@8018 r2@8020 r8@8022 r2@802a',
    code: both(
      'dbe3d9e8dd36c07fdd26c07f',
      'dbe3d9e8dd35c07f0000dd25c07f0000',
      'fninit; fld1; fnsave [0x7fc0]; frstor [0x7fc0]',
    ),
  },
];
