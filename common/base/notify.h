// SPDX-License-Identifier: Apache-2.0
// Telling whoever started a program that serves how it is: systemd's notification protocol
// (sd_notify(3)), and a descriptor for scripts. Without somebody to tell it does nothing.
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

// Sends "READY=1", "STOPPING=1", ... to $NOTIFY_SOCKET. Failures are ignored: there is nobody to
// tell.
void notify_send(const char *state);
// "RELOADING=1" with the time that the protocol wants.
void notify_reloading(void);
// Writes one byte to the descriptor and closes it; -1: does nothing.
void notify_ready_fd(int fd);

#endif
