//! What the guard in front of the sockets costs: round trips of messages to a ROUTER that echoes them, straight to its
//! socket and through the guard, by turns in one run.
//!
//! `cargo bench --bench guard` prints, for each size of message, the median time of a round trip both ways, and the median
//! of the ratios of neighbouring turns.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use warpbook::server::guard::{Guard, Limits};
use zeromq::{DealerSocket, RouterSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

/// Bytes of a message, and round trips of a turn.
const SIZES: [(usize, u32); 3] = [(100, 400), (100 << 10, 60), (4 << 20, 6)];
/// Turns of each way.
const TURNS: usize = 31;

/// Echoes every message to whoever sent it.
async fn echo(path: &Path) -> RouterSocket {
    let mut socket = RouterSocket::new();
    socket.bind(&address(path)).await.expect("bound");
    socket
}

fn address(path: &Path) -> String {
    format!("ipc://{}", path.display())
}

async fn connect(path: &Path) -> DealerSocket {
    let mut socket = DealerSocket::new();
    socket.connect(&address(path)).await.expect("connected");
    socket
}

/// The time of one round trip, of several.
async fn turn(socket: &mut DealerSocket, bytes: usize, trips: u32) -> Duration {
    let content = vec![7u8; bytes];
    let start = Instant::now();
    for _ in 0..trips {
        socket.send(ZmqMessage::from(content.clone())).await.expect("sent");
        let back = socket.recv().await.expect("received");
        assert_eq!(back.get(0).map(bytes::Bytes::len), Some(bytes));
    }
    start.elapsed() / trips
}

fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    values[values.len() / 2]
}

async fn measure() {
    let folder = TempDir::new().expect("a directory");
    let (inner, outer) = (folder.path().join("inner"), folder.path().join("outer"));
    let mut server = echo(&inner).await;
    let guard = Guard::new();
    let channel = guard.listen(&address(&outer), inner.clone(), Limits::REQUESTS).await.expect("listens");
    let echoing = tokio::spawn(async move {
        while let Ok(message) = server.recv().await {
            if server.send(message).await.is_err() {
                break;
            }
        }
    });
    let (mut straight, mut guarded) = (connect(&inner).await, connect(&outer).await);
    println!("bytes      straight     guarded   ratio (least to greatest of {TURNS})");
    for (bytes, trips) in SIZES {
        // Both ways once, unmeasured.
        turn(&mut straight, bytes, trips).await;
        turn(&mut guarded, bytes, trips).await;
        let (mut times, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
        for _ in 0..TURNS {
            let without = turn(&mut straight, bytes, trips).await;
            let with = turn(&mut guarded, bytes, trips).await;
            times[0].push(without);
            times[1].push(with);
            ratios.push(with.as_secs_f64() / without.as_secs_f64());
        }
        let [without, with] = times.map(median);
        let (least, most) =
            ratios.iter().fold((f64::MAX, 0f64), |(least, most), &ratio| (least.min(ratio), most.max(ratio)));
        println!("{bytes:>8} {without:>10.1?} {with:>11.1?}   {:.2} ({least:.2} to {most:.2})", median(ratios));
    }
    echoing.abort();
    drop((straight, guarded, channel));
}

fn main() {
    Runtime::new().expect("a runtime").block_on(measure());
}
