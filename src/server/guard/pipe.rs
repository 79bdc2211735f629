//! One connection: bytes from a client to the socket, looked at, and back, in a bounded queue.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::frames::{Frames, Refused};
use super::listener::Stream;

/// How long a client has for its side of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may pause within a message.
const PAUSE: Duration = Duration::from_secs(30);
/// Most bytes that wait for a client. Behind them the kernel waits for the client.
const QUEUE: usize = 16 << 20;
/// How long the kernel waits for a client that reads nothing: then that client is dropped, and connects again if it
/// lives.
const STALLED: Duration = Duration::from_secs(2);
/// Bytes of one read.
const PART: usize = 64 << 10;

/// Why a connection was closed, but for its end by one of both sides.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// What it sent was refused.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It did not finish the handshake.
    #[error("it did not finish the handshake within {} seconds", HANDSHAKE.as_secs())]
    Handshake,
    /// It stopped within a message.
    #[error("it sent nothing for {} seconds within a message", PAUSE.as_secs())]
    Paused,
    /// It did not read.
    #[error("it has read nothing for {} seconds while {QUEUE} bytes wait for it", STALLED.as_secs())]
    Stalled,
    /// The network's error.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Passes bytes on until one side ends or breaks a rule, or until the kernel ends and its last words have passed.
pub async fn run(
    client: Stream,
    socket: UnixStream,
    frames: Frames,
    ending: watch::Receiver<bool>,
) -> Result<(), Closed> {
    let (client_read, client_write) = tokio::io::split(client);
    let (socket_read, socket_write) = socket.into_split();
    // The socket's end closes the connection only when its last words have passed.
    let outcome = tokio::select! {
        biased;
        outcome = outward(socket_read, client_write, ending) => outcome,
        outcome = inward(client_read, socket_write, frames) => outcome,
    };
    match outcome {
        // Whoever leaves without a word leaves all the same.
        Err(Closed::Io(error)) if is_end(&error) => Ok(()),
        outcome => outcome,
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected)
}

/// From the client to the socket.
async fn inward(
    mut client: impl AsyncRead + Unpin,
    mut socket: impl AsyncWrite + Unpin,
    mut frames: Frames,
) -> Result<(), Closed> {
    let mut buffer = vec![0; PART];
    let handshake = sleep(HANDSHAKE);
    tokio::pin!(handshake);
    loop {
        let count = if !frames.is_ready() {
            tokio::select! {
                () = &mut handshake => return Err(Closed::Handshake),
                count = client.read(&mut buffer) => count?,
            }
        } else if frames.is_inside() {
            timeout(PAUSE, client.read(&mut buffer)).await.map_err(|_| Closed::Paused)??
        } else {
            client.read(&mut buffer).await?
        };
        let bytes = &buffer[..count];
        if bytes.is_empty() {
            return Ok(());
        }
        frames.pass(bytes)?;
        socket.write_all(bytes).await?;
    }
}

/// From the socket to the client.
async fn outward(
    mut socket: OwnedReadHalf,
    mut client: impl AsyncWrite + Unpin,
    mut ending: watch::Receiver<bool>,
) -> Result<(), Closed> {
    // What is being written, and what has come since.
    let (mut leaving, mut waiting) = (BytesMut::new(), BytesMut::new());
    let mut ended = false;
    loop {
        if leaving.is_empty() {
            std::mem::swap(&mut leaving, &mut waiting);
            waiting.clear();
            if leaving.is_empty() && *ending.borrow() && !ended {
                // What the socket has said lies here already.
                ended = match socket.try_read_buf(&mut waiting) {
                    Ok(count) => count == 0,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
                    Err(error) => return Err(error.into()),
                };
                continue;
            }
            if leaving.is_empty() && ended {
                client.flush().await?;
                return Ok(());
            }
        }
        let is_full = waiting.len() >= QUEUE;
        waiting.reserve(PART);
        tokio::select! {
            count = socket.read_buf(&mut waiting), if !ended && !is_full => ended = count? == 0,
            _ = ending.changed(), if !*ending.borrow() => {}
            count = client.write(&leaving), if !leaving.is_empty() => leaving.advance(count?),
            // Begins anew with every byte that leaves.
            () = sleep(STALLED), if is_full => return Err(Closed::Stalled),
        }
    }
}
