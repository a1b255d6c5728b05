{
  "includes": ["native/unicorn.gypi"],
  "targets": [
    {
      "target_name": "trapline",
      "sources": [
        "native/addon.cc",
        "native/vcpu.cc",
        "native/run.cc",
        "native/boundary.cc",
        "native/trap.cc",
        "native/state.cc",
        "native/named_state.cc",
        "native/access.cc",
        "native/ports.cc",
        "native/decode.cc",
        "native/translate.cc",
        "native/limits.cc",
        "native/operand_size.cc",
        "native/fast_call.cc",
        "native/fast_string.cc",
        "native/posted.cc",
        "native/rooms.cc",
        "native/stack_probe.cc",
        "native/walk.cc",
        "native/trap_entry.cc",
        "native/wraps_device.cc",
        "native/wraps_engine.cc",
        "native/self_test.cc",
        "native/other_targets.c"
      ],
      "include_dirs": [
        "<!(node -p \"require('node-addon-api').include_dir\")",
        "<(unicorn_include)"
      ],
      # A thread that is ended while it is in the addon can throw nothing any more: that must not abort the process.
      "defines": [
        "NAPI_VERSION=8",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags!": ["-fno-omit-frame-pointer"],
      "cflags": ["-O2", "-Wall", "-Wextra", "-Werror", "-mno-red-zone", "-fvisibility=hidden"],
      "cflags_cc": ["-std=c++17", "-fno-exceptions"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "ldflags": [
        "<@(wrap_flags)",
        "-Wl,--exclude-libs,ALL", "-Wl,--gc-sections"
      ],
      "libraries": ["<(unicorn_archive)", "-lpthread", "-ldl", "-lm"]
    }
  ]
}
