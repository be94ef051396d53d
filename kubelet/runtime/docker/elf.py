"""The sandbox's only program, as a static ELF file made here byte by byte: it sleeps, reaps orphans, and ends on SIGTERM.

No compiler and no foreign binary is involved. Each machine's code below is a table of (bytes, what it does); the program is

    rt_sigprocmask(SIG_BLOCK, all)            # a blocked signal reaches even process 1, which ignores unhandled ones
    loop:
        signal = rt_sigtimedwait(all, no info, no timeout)
        if signal is SIGTERM or SIGINT: exit(0)
        if signal is SIGCHLD: while wait4(-1, WNOHANG) > 0: pass

The kernel's interface is all it needs: system call numbers from the Linux tables (x86-64: asm/unistd_64.h; arm64: asm-generic).
"""

from __future__ import annotations

import io
import struct
import tarfile

_BASE = 0x400000
_HEADER = 64 + 56

_X86_64: tuple[tuple[str, str], ...] = (
    ("48 83 ec 10", "sub rsp, 16"),
    ("48 c7 04 24 ff ff ff ff", "mov qword [rsp], -1        ; the set of all signals"),
    ("31 ff", "xor edi, edi               ; SIG_BLOCK = 0"),
    ("48 89 e6", "mov rsi, rsp"),
    ("31 d2", "xor edx, edx"),
    ("41 ba 08 00 00 00", "mov r10d, 8"),
    ("b8 0e 00 00 00", "mov eax, 14                ; rt_sigprocmask"),
    ("0f 05", "syscall"),
    # loop: (offset 32)
    ("48 89 e7", "mov rdi, rsp"),
    ("31 f6", "xor esi, esi"),
    ("31 d2", "xor edx, edx"),
    ("41 ba 08 00 00 00", "mov r10d, 8"),
    ("b8 80 00 00 00", "mov eax, 128               ; rt_sigtimedwait"),
    ("0f 05", "syscall"),
    ("83 f8 0f", "cmp eax, 15                ; SIGTERM"),
    ("74 25", "je exit"),
    ("83 f8 02", "cmp eax, 2                 ; SIGINT"),
    ("74 20", "je exit"),
    ("83 f8 11", "cmp eax, 17                ; SIGCHLD"),
    ("75 dd", "jne loop"),
    # reap: (offset 67)
    ("48 83 cf ff", "or rdi, -1"),
    ("31 f6", "xor esi, esi"),
    ("ba 01 00 00 00", "mov edx, 1                 ; WNOHANG"),
    ("45 31 d2", "xor r10d, r10d"),
    ("b8 3d 00 00 00", "mov eax, 61                ; wait4"),
    ("0f 05", "syscall"),
    ("85 c0", "test eax, eax"),
    ("7f e7", "jg reap"),
    ("eb c2", "jmp loop"),
    # exit: (offset 94)
    ("31 ff", "xor edi, edi"),
    ("b8 e7 00 00 00", "mov eax, 231               ; exit_group"),
    ("0f 05", "syscall"),
)

_ARM64: tuple[tuple[int, str], ...] = (
    (0xD10043FF, "sub sp, sp, #16"),
    (0x92800001, "mov x1, #-1                ; the set of all signals"),
    (0xF90003E1, "str x1, [sp]"),
    (0xD2800000, "mov x0, #0                 ; SIG_BLOCK"),
    (0x910003E1, "mov x1, sp"),
    (0xD2800002, "mov x2, #0"),
    (0xD2800103, "mov x3, #8"),
    (0xD28010E8, "mov x8, #135               ; rt_sigprocmask"),
    (0xD4000001, "svc #0"),
    # loop: (word 9)
    (0x910003E0, "mov x0, sp"),
    (0xD2800001, "mov x1, #0"),
    (0xD2800002, "mov x2, #0"),
    (0xD2800103, "mov x3, #8"),
    (0xD2801128, "mov x8, #137               ; rt_sigtimedwait"),
    (0xD4000001, "svc #0"),
    (0x71003C1F, "cmp w0, #15                ; SIGTERM"),
    (0x540001C0, "b.eq exit                  ; +14"),
    (0x7100081F, "cmp w0, #2                 ; SIGINT"),
    (0x54000180, "b.eq exit                  ; +12"),
    (0x7100441F, "cmp w0, #17                ; SIGCHLD"),
    (0x54FFFEA1, "b.ne loop                  ; -11"),
    # reap: (word 21)
    (0x92800000, "mov x0, #-1"),
    (0xD2800001, "mov x1, #0"),
    (0xD2800022, "mov x2, #1                 ; WNOHANG"),
    (0xD2800003, "mov x3, #0"),
    (0xD2802088, "mov x8, #260               ; wait4"),
    (0xD4000001, "svc #0"),
    (0x7100001F, "cmp w0, #0"),
    (0x54FFFF2C, "b.gt reap                  ; -7"),
    (0x17FFFFEC, "b loop                     ; -20"),
    # exit: (word 30)
    (0xD2800000, "mov x0, #0"),
    (0xD2800BC8, "mov x8, #94                ; exit_group"),
    (0xD4000001, "svc #0"),
)

MACHINES = {"x86_64": 62, "amd64": 62, "aarch64": 183, "arm64": 183}
"""The machine's name, as uname or Docker spell it → e_machine."""


def code(machine: str) -> bytes:
    """The instructions for that machine. Raises KeyError for machines other than x86-64 and arm64."""
    if MACHINES[machine] == 62:
        return b"".join(bytes.fromhex(text) for text, _ in _X86_64)
    return b"".join(struct.pack("<I", word) for word, _ in _ARM64)


def program(machine: str) -> bytes:
    """A complete static executable: one ELF header, one loadable segment, the code."""
    text = code(machine)
    entry = _BASE + _HEADER
    ident = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, MACHINES[machine], 1, entry, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    size = _HEADER + len(text)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x10000)
    return header + segment + text


def image_tar(machine: str) -> bytes:
    """The sandbox image's file system as a tar: `/pause` and nothing else. The same bytes every time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        binary = program(machine)
        info = tarfile.TarInfo("pause")
        info.size, info.mode = len(binary), 0o755
        tar.addfile(info, io.BytesIO(binary))
    return out.getvalue()
