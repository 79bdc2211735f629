//! Child processes that never outlive their owner.
//!
//! A child gets a process group of its own. The group is killed when its [`ChildProcess`] is dropped; and if this
//! process dies without the chance to do so (`kill -9`), the kernel's parent-death signal ends the child at once, and
//! a watchdog, a shell that reads the list of groups from a socket, kills what is left of each group (a child's own
//! children) when that socket closes.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::net::SendFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

/// A child process with its whole process group.
pub struct ChildProcess {
    child: Child,
    killer: Killer,
}

impl ChildProcess {
    /// Starts `command` in a process group of its own. Standard streams are as `command` says.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        command.process_group(0);
        let parent = rustix::process::getpid();
        let watchdog = watchdog();
        let die_with_parent = move || {
            // Told by the child, before it can have children: the parent may be killed at any moment.
            watchdog.tell(b'+', rustix::process::getpid());
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have died before the call above.
            if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::NotConnected.into()) }
        };
        // SAFETY: the closure runs between fork and exec, where only async-signal-safe calls are allowed. It makes
        // plain system calls, takes no lock and allocates nothing.
        unsafe { command.pre_exec(die_with_parent) };
        let child = spawner().spawn(command)?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let killer = Killer { group: Arc::new(Mutex::new(group)) };
        Ok(Self { child, killer })
    }

    /// The process id, which is also the id of its group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Takes the child's standard input, if it is piped and not taken yet.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Takes the child's standard output, if it is piped and not taken yet.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Takes the child's standard error, if it is piped and not taken yet.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// A handle that can kill the group from any thread, for [`Cancel::on_cancel`](crate::cancel::Cancel::on_cancel).
    pub fn killer(&self) -> Killer {
        self.killer.clone()
    }

    /// Kills the whole group at once (SIGKILL). The child is still to be waited for, or dropped.
    pub fn kill(&self) {
        self.killer.kill();
    }

    /// The exit status, if the child has ended.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match self.ended(WaitIdOptions::NOHANG)? {
            true => self.reap().map(Some),
            false => Ok(None),
        }
    }

    /// Waits until the child has ended; what is left of its group is killed.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.ended(WaitIdOptions::empty())?;
        self.reap()
    }

    /// True if the child has ended. Does not reap it: until it is reaped, its id cannot become another process's.
    fn ended(&self, options: WaitIdOptions) -> io::Result<bool> {
        let Some(pid) = *self.killer.group() else { return Ok(true) };
        loop {
            match rustix::process::waitid(WaitId::Pid(pid), options | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Ok(status) => return Ok(status.is_some()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        // Held over the wait, so that no killer signals an id that is free again.
        let mut group = self.killer.group();
        if let Some(pid) = group.take() {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            watchdog().tell(b'-', pid);
        }
        self.child.wait()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.kill();
        let _ = self.reap();
    }
}

/// Kills a [`ChildProcess`]'s group; does nothing once the child was waited for.
#[derive(Clone)]
pub struct Killer {
    group: Arc<Mutex<Option<Pid>>>,
}

impl Killer {
    /// Sends SIGKILL to every process of the group.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends SIGINT to every process of the group.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = *self.group() {
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    fn group(&self) -> MutexGuard<'_, Option<Pid>> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one thread that starts children: the parent-death signal comes when the *thread* that made a child ends.
struct Spawner(Mutex<Sender<(Command, Sender<io::Result<Child>>)>>);

impl Spawner {
    fn spawn(&self, command: Command) -> io::Result<Child> {
        let (answer, child) = channel();
        let gone = || io::Error::other("the thread that starts processes is gone");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).send((command, answer)).map_err(|_| gone())?;
        child.recv().map_err(|_| gone())?
    }
}

fn spawner() -> &'static Spawner {
    static SPAWNER: OnceLock<Spawner> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (sender, jobs) = channel::<(Command, Sender<io::Result<Child>>)>();
        // If no thread can be had, the receiver is dropped and every spawn says so.
        let _ = std::thread::Builder::new().name("spawn".into()).spawn(move || {
            for (mut command, answer) in jobs {
                let _ = answer.send(command.spawn());
            }
        });
        Spawner(Mutex::new(sender))
    })
}

/// Reads lines of `+` or `-` and a group; at the end of its input it kills the groups that are left.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
groups=' '
while read -r line; do
    group=${line#?}
    group=${group##* }
    case $line in
    +*) groups="$groups$group " ;;
    -*) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

struct Watchdog(Option<UnixStream>);

impl Watchdog {
    /// Sends one line. Safe between fork and exec: no lock, no allocation, no signal if the watchdog is gone.
    fn tell(&self, change: u8, group: Pid) {
        let Some(socket) = &self.0 else { return };
        let mut line = *b"?          \n";
        line[0] = change;
        let mut rest = group.as_raw_nonzero().get();
        for digit in line[1..11].iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let _ = rustix::net::send(socket, &line, SendFlags::NOSIGNAL);
    }
}

fn watchdog() -> &'static Watchdog {
    static WATCHDOG_PROCESS: OnceLock<Watchdog> = OnceLock::new();
    WATCHDOG_PROCESS.get_or_init(|| {
        let start = || -> io::Result<UnixStream> {
            let (ours, its) = UnixStream::pair()?;
            Command::new("/bin/sh")
                .args(["-c", WATCHDOG])
                .current_dir("/")
                .process_group(0)
                .stdin(OwnedFd::from(its))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            Ok(ours)
        };
        // Without a shell the parent-death signal alone must do.
        Watchdog(start().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read};

    fn shell(script: &str) -> ChildProcess {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        ChildProcess::spawn(command).expect("sh starts")
    }

    #[test]
    fn a_child_that_ends_gives_its_status() {
        let mut child = shell("exit 3");
        assert_eq!(child.wait().expect("waited").code(), Some(3));
    }

    #[test]
    fn a_killed_group_takes_its_grandchildren_along() {
        let mut child = shell("sleep 1000 & echo started; wait");
        let mut output = BufReader::new(child.take_stdout().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        assert_eq!(line, "started\n");
        assert!(child.try_wait().expect("asked").is_none());
        child.killer().kill();
        // The pipe closes only when the grandchild is gone too.
        assert_eq!(output.read_to_string(&mut line).expect("read"), 0);
        assert!(!child.wait().expect("waited").success());
    }

    /// Not a test of its own: the process that the next test kills. It starts a child with a child, which hold its
    /// standard output open, and waits to be killed.
    #[test]
    fn victim() {
        if std::env::var_os("WARPBOOK_TEST_VICTIM").is_none() {
            return;
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 1000 & echo; echo started; wait"]).stdin(Stdio::null());
        let mut child = ChildProcess::spawn(command).expect("sh starts");
        let _ = child.wait();
    }

    #[test]
    fn a_killed_owner_leaves_nobody_behind() {
        let mut owner = Command::new(std::env::current_exe().expect("this test"));
        owner.args(["--exact", "child::tests::victim", "--nocapture"]).env("WARPBOOK_TEST_VICTIM", "1");
        let mut owner = owner.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts again");
        let mut output = BufReader::new(owner.stdout.take().expect("piped"));
        let mut line = String::new();
        while line != "started\n" {
            line.clear();
            assert_ne!(output.read_line(&mut line).expect("a line"), 0, "the owner ended early");
        }
        // As `kill -9` does: the owner cannot clean up.
        owner.kill().expect("killed");
        owner.wait().expect("waited");
        // The pipe closes only when the child and the grandchild are gone too.
        output.read_to_string(&mut String::new()).expect("read to the end");
    }

    #[test]
    fn dropping_kills() {
        let mut child = shell("sleep 1000 & sleep 1000");
        let mut output = child.take_stdout().expect("piped");
        drop(child);
        assert_eq!(output.read_to_string(&mut String::new()).expect("read"), 0);
    }
}
