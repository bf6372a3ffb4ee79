"""The one table: each attack, its class, and at which levels it is not stopped.

What is not named here as a gap is expected to be stopped.
"""

from __future__ import annotations

from dataclasses import replace

from security.entries import Attack, Gap

from node3nb import attack_classes as classes
from node3nb.attack_classes import AttackClass
from node3nb.jobs import Isolation

NAMESPACES, LANDLOCK, LIMITS = Isolation.NAMESPACES, Isolation.LANDLOCK, Isolation.LIMITS
#: Layers that decide over some attacks, as `JobResult.layers` names them.
SECCOMP, CGROUP, OWN_USER = "seccomp", "cgroup", "own-user"
#: The attacks that end their job, one job each.
GREEDY_PROGRAM = "attacks_greed.py"


SAME_USER = (Gap((LIMITS,), "the job is a process of the same user"),)
SAME_NETWORK = (Gap((LIMITS,), "the job shares the host's network"),)
SAME_IPC = (Gap((LIMITS,), "the job shares the host's IPC objects"),)
SAME_POWERS = (Gap((LIMITS,), "the job is a process of the same user", root=False),)
SAME_POWERS_UNFILTERED = (replace(SAME_POWERS[0], unless=frozenset({SECCOMP})),)
NO_FILTER = (
    Gap((LIMITS,), "nothing keeps the job from asking the kernel", unless=frozenset({SECCOMP})),
)
STILL_ROOT = (Gap((LIMITS,), "what belongs to root is the job's to write", root=True),)
MEASURED = (
    Gap(
        (NAMESPACES, LANDLOCK, LIMITS),
        "the job is measured, most often close to its limit, and ended then",
        unless=frozenset({CGROUP}),
        race=True,
    ),
)
FACTS = (Gap((LANDLOCK, LIMITS), "Landlock fences what is in files, not what stat(2) tells"),)
TIMES = (
    Gap((LIMITS,), "the job is a process of the same user"),
    Gap(
        (LANDLOCK,),
        "Landlock lets the owner of a file set its times",
        unless=frozenset({OWN_USER}),
    ),
)
PROCESS_LIST = (Gap((LANDLOCK, LIMITS), "the job sees the host's /proc"),)
UNCOUNTED = (
    Gap(
        (NAMESPACES, LANDLOCK, LIMITS),
        "the kernel counts no processes of root's, and measuring them may come late",
        root=True,
        unless=frozenset({CGROUP, OWN_USER}),
        race=True,
    ),
)


def _attacks(
    program: str, kind: AttackClass, names: str, gaps: tuple[Gap, ...] = (), needs: str = ""
) -> tuple[Attack, ...]:
    return tuple(Attack(name, program, kind, gaps, needs) for name in names.split())


_FILES = (
    *_attacks(
        "attacks_files.py",
        classes.READ_FILES,
        "read_home list_home read_connection_file read_host_tmp read_host_shm read_through_proc",
        SAME_USER,
    ),
    *_attacks(
        "attacks_files.py",
        classes.READ_FILES,
        "read_shadow open_disk",
        SAME_USER,
        "a provider run by root",
    ),
    *_attacks(
        "attacks_files.py",
        classes.WRITE_FILES,
        "write_home write_startup_file write_host_tmp write_host_shm write_site_packages write_log",
        SAME_USER,
    ),
    *_attacks("attacks_files.py", classes.WRITE_FILES, "change_mode", SAME_USER),
    *_attacks(
        "attacks_files.py",
        classes.WRITE_FILES,
        "change_attributes",
        SAME_USER,
        "a file system with such attributes",
    ),
    *_attacks("attacks_files.py", classes.FILE_FACTS, "guess_names", FACTS),
    *_attacks("attacks_files.py", classes.FILE_FACTS, "change_times", TIMES),
    *_attacks("attacks_files.py", classes.WRITE_INPUT, "write_input", SAME_USER),
    *_attacks(
        "attacks_files.py",
        classes.OTHER_JOBS,
        "read_other_output read_other_tmp write_other_output",
        SAME_USER,
    ),
)
_PROCESSES = (
    *_attacks("attacks_processes.py", classes.OTHER_JOBS, "read_other_environ", SAME_USER),
    *_attacks("attacks_processes.py", classes.OTHER_JOBS, "signal_other_job", SAME_USER),
    *_attacks(
        "attacks_processes.py",
        classes.READ_PROCESSES,
        "read_environ read_memory",
        SAME_POWERS,
    ),
    *_attacks(
        "attacks_processes.py",
        classes.READ_PROCESSES,
        "read_memory_by_call trace take_descriptor",
        SAME_POWERS_UNFILTERED,
    ),
    *_attacks("attacks_processes.py", classes.OWN_LIMITS, "open_keepers_memory", SAME_POWERS),
    *_attacks("attacks_processes.py", classes.LIST_PROCESSES, "list_command_lines", PROCESS_LIST),
    *_attacks("attacks_processes.py", classes.SIGNALS, "kill_owner signal_everybody", SAME_USER),
    *_attacks(
        "attacks_processes.py",
        classes.INHERITANCE,
        "use_inherited_descriptors read_inherited_environment",
    ),
)
_SOCKETS = (
    *_attacks("attacks_network.py", classes.NETWORK, "tcp_to_host udp_to_host", SAME_NETWORK),
    *_attacks(
        "attacks_network.py",
        classes.NETWORK,
        "fast_open_to_host",
        SAME_NETWORK,
        "TCP Fast Open for clients",
    ),
    *_attacks(
        "attacks_network.py",
        classes.UNIX_SOCKETS,
        "unix_path unix_abstract unix_by_pair",
        SAME_USER,
    ),
    *_attacks(
        "attacks_network.py",
        classes.KERNEL_SURFACE,
        "virtual_machine_socket crypto_socket netfilter_socket",
        NO_FILTER,
        "a kernel with that family of sockets",
    ),
    *_attacks(
        "attacks_network.py",
        classes.NETWORK,
        "packet_socket",
    ),
    *_attacks("attacks_network.py", classes.IPC, "system_v_memory", SAME_IPC),
    *_attacks(
        "attacks_network.py", classes.IPC, "posix_queue", SAME_IPC, "a kernel with such queues"
    ),
)
_KERNEL = (
    *_attacks(
        "attacks_kernel.py",
        classes.PRIVILEGES,
        "user_namespace_unshare user_namespace_clone user_namespace_clone3",
        NO_FILTER,
        "user namespaces",
    ),
    *_attacks(
        "attacks_kernel.py",
        classes.PRIVILEGES,
        "mount make_device own_for_another setuid_program",
    ),
    *_attacks("attacks_kernel.py", classes.PRIVILEGES, "write_sysctl", STILL_ROOT),
    *_attacks(
        "attacks_kernel.py",
        classes.KERNEL_SURFACE,
        "io_uring bpf kernel_keys page_faults performance_events",
        NO_FILTER,
        "a kernel that grants it to the provider's user",
    ),
    *_attacks(
        "attacks_kernel.py",
        classes.KERNEL_SURFACE,
        "foreign_calls",
        NO_FILTER,
        "an x86-64 kernel with 32-bit calls",
    ),
    *_attacks("attacks_kernel.py", classes.TERMINAL, "write_terminal", SAME_USER),
    *_attacks(
        "attacks_kernel.py",
        classes.TERMINAL,
        "type_in_terminal",
        NO_FILTER,
        "a kernel that allows TIOCSTI",
    ),
    *_attacks(
        "attacks_kernel.py",
        classes.OWN_LIMITS,
        "raise_limits",
        needs="a provider run by root, with CAP_SYS_RESOURCE",
    ),
    *_attacks("attacks_kernel.py", classes.OWN_LIMITS, "lower_oom_score", SAME_USER),
    *_attacks(
        "attacks_kernel.py",
        classes.OWN_LIMITS,
        "leave_control_group",
        STILL_ROOT,
        "a provider run by root, with control groups",
    ),
    *_attacks(
        "attacks_kernel.py", classes.OWN_LIMITS, "take_priority", needs="a provider run by root"
    ),
    *_attacks(
        "attacks_kernel.py",
        classes.OWN_LIMITS,
        "take_all_cores",
        NO_FILTER,
        "more than one core",
    ),
)
_GREED = (
    *_attacks(GREEDY_PROGRAM, classes.PROCESSES, "fork_bomb", UNCOUNTED),
    *_attacks(
        GREEDY_PROGRAM,
        classes.MEMORY,
        "memory_of_one memory_of_many memory_shared memory_as_file memory_in_tmp",
    ),
    *_attacks(
        GREEDY_PROGRAM,
        classes.MEMORY_FILES,
        "memory_as_named_file",
        (
            Gap(
                (LIMITS,),
                "files in the host's /dev/shm are not watched",
                unless=frozenset({CGROUP}),
            ),
        ),
    ),
    *_attacks(GREEDY_PROGRAM, classes.MOMENTS, "memory_for_a_moment", MEASURED),
    *_attacks(GREEDY_PROGRAM, classes.DISK, "one_file removed_files many_files deep_tree"),
    *_attacks(GREEDY_PROGRAM, classes.TIME, "endless_time daemon"),
    *_attacks(GREEDY_PROGRAM, classes.FLOOD, "flood"),
)
_TRAPS = _attacks(
    "attacks_traps.py",
    classes.TRAPS,
    "trap_link trap_directory trap_hard_link trap_pipe trap_device trap_hole trap_names",
)
_SWAP = _attacks("attacks_swap.py", classes.TRAPS, "trap_output_directory")

#: All attacks, in the order of the page.
ATTACKS = (*_FILES, *_PROCESSES, *_SOCKETS, *_KERNEL, *_GREED, *_TRAPS, *_SWAP)
#: Programs whose attacks leave their job alive: all of one program are tried in one job.
QUIET_PROGRAMS = tuple(
    dict.fromkeys(each.program for each in ATTACKS if each.program != GREEDY_PROGRAM)
)
