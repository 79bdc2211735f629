//! What stands between the network and the sockets: it takes the connections, and lets through only bytes that are ZMTP
//! within limits.
//!
//! The `zeromq` crate takes room for whatever length a frame announces, and when no descriptor is left its accept loop
//! starts tasks without end; neither needs the key. So its sockets are in a folder that only this user can enter, and
//! each connection from outside is passed on to one of them:
//!
//! ```text
//! client ── tcp or ipc ──> guard: limits, header of each frame ──> zeromq's socket, in a private folder
//!        <── bounded queue of its own: a client that reads nothing is dropped, the others go on ──
//! ```

mod budget;
mod frames;
mod listener;
mod pipe;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::log::log;
use budget::Budget;
use frames::Frames;
pub use frames::Limits;
use listener::Listener;

/// Most connections of all channels together. Jupyter makes five for each client.
const CONNECTIONS: usize = 512;
/// Descriptors of one connection: the client's, and both ends of the way to the socket.
const DESCRIPTORS: usize = 3;
/// First and longest pause after a connection that could not be taken.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How many refusals are logged: whoever provokes them must not fill the log.
const LOGGED: usize = 100;

/// What the channels of a kernel share.
#[derive(Clone)]
pub struct Guard {
    shared: Arc<Shared>,
}

struct Shared {
    connections: Arc<Semaphore>,
    /// No channel may take all connections.
    most_per_channel: usize,
    budget: Budget,
    refusals: AtomicUsize,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new()
    }
}

impl Guard {
    /// A guard for the channels of one kernel.
    pub fn new() -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        // At most three of eight descriptors: the others are for files and children.
        let most = usize::try_from(descriptors / 8).unwrap_or(usize::MAX).clamp(15, CONNECTIONS);
        Self {
            shared: Arc::new(Shared {
                connections: Arc::new(Semaphore::new(most)),
                most_per_channel: most.div_ceil(3),
                budget: Budget::new(),
                refusals: AtomicUsize::new(0),
            }),
        }
    }

    /// Takes connections at an address, `tcp://127.0.0.1:4000` or `ipc://path`, and passes them on to the socket at a
    /// path. Returns once it listens.
    pub async fn listen(&self, address: &str, socket: PathBuf, limits: Limits) -> std::io::Result<Channel> {
        let listener = Listener::bind(address).await?;
        let entrance = Entrance {
            guard: self.clone(),
            own: Arc::new(Semaphore::new(self.shared.most_per_channel)),
            socket: socket.into(),
            limits,
        };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        Ok(Channel { stop, task: tokio::spawn(entrance.run(listener, stopped)) })
    }

    fn refuse(&self, why: &dyn std::fmt::Display) {
        match self.shared.refusals.fetch_add(1, Ordering::Relaxed) {
            count if count < LOGGED => log(format_args!("a connection was refused: {why}")),
            LOGGED => log(format_args!("more connections were refused, which are not logged")),
            _ => {}
        }
    }
}

/// One guarded address.
pub struct Channel {
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Channel {
    /// Takes no more connections, and waits until what the socket has said was passed on to its clients; then they are
    /// closed.
    pub async fn drain(self) {
        drop(self.stop);
        let _ = self.task.await;
    }
}

/// Takes the connections of one channel.
struct Entrance {
    guard: Guard,
    own: Arc<Semaphore>,
    socket: Arc<Path>,
    limits: Limits,
}

impl Entrance {
    async fn run(self, listener: Listener, mut stopped: tokio::sync::oneshot::Receiver<()>) {
        let mut connections = JoinSet::new();
        let (end, ending) = watch::channel(false);
        let mut pause = PAUSES.0;
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                // What has ended is forgotten.
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok(client) => {
                        pause = PAUSES.0;
                        match self.admit() {
                            Ok(permits) => drop(connections.spawn(self.connect(client, permits, ending.clone()))),
                            Err(why) => self.guard.refuse(&why),
                        }
                    }
                    Err(error) => {
                        // Most likely no descriptor is left. The connection waits in the kernel's queue, and so do we.
                        self.guard.refuse(&error);
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(PAUSES.1);
                    }
                },
            }
        }
        drop(listener);
        end.send_replace(true);
        while connections.join_next().await.is_some() {}
    }

    /// The right to one more connection, while descriptors are left for both sides of it.
    fn admit(&self) -> Result<[OwnedSemaphorePermit; 2], String> {
        let full = |_| "there are too many connections".to_owned();
        let own = Arc::clone(&self.own).try_acquire_owned().map_err(full)?;
        let shared = Arc::clone(&self.guard.shared.connections).try_acquire_owned().map_err(full)?;
        // The crate's accept loop has no pause: it must never be the one that finds no descriptor.
        let spare: Result<Vec<_>, _> = (0..DESCRIPTORS).map(|_| rustix::io::dup(rustix::stdio::stderr())).collect();
        spare.map_err(|error| format!("no descriptor is left: {error}"))?;
        Ok([own, shared])
    }

    fn connect(
        &self,
        client: listener::Stream,
        permits: [OwnedSemaphorePermit; 2],
        ending: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (socket, guard) = (Arc::clone(&self.socket), self.guard.clone());
        let frames = Frames::new(self.limits, guard.shared.budget.clone());
        async move {
            let _permits = permits;
            let outcome = match UnixStream::connect(&socket).await {
                Ok(inner) => pipe::run(client, inner, frames, ending).await,
                Err(error) => Err(error.into()),
            };
            if let Err(why) = outcome {
                guard.refuse(&why);
            }
        }
    }
}
