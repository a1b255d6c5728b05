// SPDX-License-Identifier: GPL-2.0-only
// Event channel ports and the one virtual interrupt this port raises (public/event_channel.h, xen.h).

/** An event channel port; 0 means none. */
export type evtchn_port_t = number;

/** Virtual interrupt of the control domain: some domain changed its life-cycle state. */
export const VIRQ_DOM_EXC = 3;
