//! Sockets and a clock: what needs the kernel.
