//! What the kernel and a device host say to each other: one request, one reply. A message is its length in bytes
//! (32 bits, little-endian) and JSON. Bulk data lies in the shared memory while the message is under way.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::{FunctionInfo, Launch, Occupancy, TimingPlan};

/// No message is longer: launches are small, and code goes through the shared memory.
const LONGEST: usize = 16 << 20;

/// A request from the kernel to the host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Asks for the GPU's properties. The first request.
    Hello,
    /// Allocate device memory.
    Allocate { bytes: u64 },
    /// Free device memory.
    Free { address: u64 },
    /// Copy the first bytes of the shared memory to the device.
    Write { address: u64, bytes: usize },
    /// Copy device bytes to the start of the shared memory.
    Read { address: u64, bytes: usize },
    /// A number for each span of device memory (address, bytes) that changes when a byte of it does.
    Digest { spans: Vec<(u64, u64)> },
    /// Load the code in the first bytes of the shared memory and find a function in it.
    Load { bytes: usize, entry: String },
    /// Give a function's use of an SM with this geometry.
    Occupancy { launch: Launch },
    /// Run a launch to its end.
    Launch { launch: Launch },
    /// Run a launch many times.
    Time { launch: Launch, plan: TimingPlan },
    /// Encode a tensor map with the driver.
    TensorMap { map: super::super::TensorMap },
}

/// A reply from the host to the kernel.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// The answer to [`Request::Hello`].
    Hello { properties: Properties },
    /// The request succeeded and returns nothing.
    Done,
    /// The address of new memory.
    Address { address: u64 },
    /// The answer to [`Request::Digest`].
    Digests { digests: Vec<u64> },
    /// A loaded function.
    Function { function: u64, info: FunctionInfo },
    /// The answer to [`Request::Occupancy`].
    Occupancy { occupancy: Occupancy },
    /// A launch has succeeded: the GPU's time, and the host's time since the request.
    Launched { nanoseconds: u64, host_nanoseconds: u64, printed: String },
    /// The samples of [`Request::Time`].
    Timed { timing: super::super::Timing },
    /// An encoded tensor map.
    TensorMap { bytes: Vec<u8> },
    /// The driver refused; the device is as it was.
    Refused { error: DriverError },
    /// The context is lost: this is the host's last message.
    Lost { error: DriverError, printed: String },
}

/// A failed driver call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverError {
    /// The function that failed: `cuLaunchKernelEx`.
    pub call: String,
    /// The driver's name: `CUDA_ERROR_ILLEGAL_ADDRESS`.
    pub name: String,
    /// The driver's description of the error.
    pub text: String,
    /// Further text: the log of the driver's compiler, the output of a failed `assert`.
    pub detail: String,
}

/// Properties of a GPU and its driver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    /// Name of the GPU: `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Compute capability without its dot: 90 for 9.0.
    pub capability: u32,
    /// CUDA version of the driver: 13000 for 13.0.
    pub driver: u32,
    /// Version of the driver package, if NVML reports it: `580.95.05`.
    pub package: Option<String>,
    /// Bytes of device memory.
    pub memory: u64,
    /// Bytes of L2 cache.
    pub l2: u64,
    /// Number of streaming multiprocessors (SMs).
    pub multiprocessors: u32,
    /// Bytes of shared memory that one block may have after opting in.
    pub shared_optin: u32,
    /// True if it runs the machine code in cubins; an emulator in its place does not.
    pub machine_code: bool,
}

/// Writes a message.
pub fn send<T: Serialize>(socket: &mut UnixStream, message: &T) -> io::Result<()> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = u32::try_from(bytes.len() - 4).map_err(|_| io::Error::other("the message is too long"))?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    socket.write_all(&bytes)
}

/// Reads a message; `None` at the end of the stream.
pub fn receive<T: DeserializeOwned>(socket: &mut UnixStream) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match socket.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long"));
    }
    let mut bytes = vec![0; length];
    socket.read_exact(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

/// Hands a file to the other process.
pub fn send_file(socket: &UnixStream, file: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let files = [file];
    if !ancillary.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("a message has no space for another file"));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(&[0])], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes a file from the other process.
pub fn receive_file(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let files = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    files.flatten().next().ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "no file came"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn messages_and_files_arrive() {
        let (mut ours, mut theirs) = UnixStream::pair().expect("a pair");
        let file = std::fs::File::open("/dev/null").expect("opened");
        send_file(&ours, file.as_fd()).expect("sent");
        send(&mut ours, &Request::Read { address: 1 << 63, bytes: 7 }).expect("sent");
        receive_file(&theirs).expect("came");
        let request = receive(&mut theirs).expect("read");
        assert!(matches!(request, Some(Request::Read { address: 0x8000_0000_0000_0000, bytes: 7 })));
        drop(ours);
        assert!(receive::<Request>(&mut theirs).expect("the end").is_none());
    }

    #[test]
    fn an_absurd_length_is_refused() {
        let (mut ours, mut theirs) = UnixStream::pair().expect("a pair");
        ours.write_all(&[0xff; 8]).expect("sent");
        assert!(receive::<Reply>(&mut theirs).is_err());
    }
}
