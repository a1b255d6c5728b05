// SPDX-License-Identifier: GPL-2.0-only
// Shutdown reasons of public/sched.h.

/** The domain exited cleanly. */
export const SHUTDOWN_poweroff = 0;
export const SHUTDOWN_reboot = 1;
/** State is to be saved: the reason of every checkpoint. */
export const SHUTDOWN_suspend = 2;
/** Tells the control tools that the guest crashed; cancels shutdown deferrals. */
export const SHUTDOWN_crash = 3;
export const SHUTDOWN_watchdog = 4;
export const SHUTDOWN_soft_reset = 5;
/** The highest valid reason. */
export const SHUTDOWN_MAX = 5;
/** "No code yet": all ones, 32 bits wide. */
export const SHUTDOWN_CODE_INVALID = 0xffffffff;
