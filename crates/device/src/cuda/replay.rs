//! One launch from files, in a process of its own: what a profiler runs (`warpbook device-replay cuda:0 FOLDER`).

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::driver::{Context, Prepared};
use super::protocol::DriverError;
use crate::{Launch, TENSOR_MAP_BYTES, TensorMap};

/// A span of device memory: the address that the launch knows it by, and how much there is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Span {
    /// Address of the span in the launch's arguments.
    pub address: u64,
    /// Number of bytes in the span.
    pub bytes: u64,
}

/// A launch in files. The code is in `code`, the contents of memory, one span after the other, in `memory`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The kernel's name in the code.
    pub entry: String,
    /// Geometry and arguments.
    pub launch: Launch,
    /// The memory that the arguments may point to.
    pub spans: Vec<Span>,
}

const JOB: &str = "job.json";
const CODE: &str = "code";
const MEMORY: &str = "memory";

/// Writes a job.
pub fn write(folder: &Path, job: &Job, code: &[u8], memory: &[&[u8]]) -> io::Result<()> {
    fs::write(folder.join(JOB), serde_json::to_vec(job)?)?;
    fs::write(folder.join(CODE), code)?;
    fs::write(folder.join(MEMORY), memory.concat())
}

/// Runs the job of a folder once.
pub fn run(ordinal: u32, folder: &Path) -> io::Result<()> {
    let job: Job = serde_json::from_slice(&fs::read(folder.join(JOB))?)?;
    let (code, memory) = (fs::read(folder.join(CODE))?, fs::read(folder.join(MEMORY))?);
    launch(ordinal, job, &code, &memory)
        .map_err(|error| io::Error::other(format!("{}: {} {} {}", error.call, error.name, error.text, error.detail)))
}

fn launch(ordinal: u32, mut job: Job, code: &[u8], memory: &[u8]) -> Result<(), DriverError> {
    let context = Context::new(ordinal)?;
    let mut addresses = Vec::with_capacity(job.spans.len());
    let mut rest = memory;
    for span in &job.spans {
        let address = context.allocate(span.bytes)?;
        let (own, more) = rest.split_at((span.bytes as usize).min(rest.len()));
        context.write(address, own)?;
        rest = more;
        addresses.push(address);
    }
    for argument in &mut job.launch.args {
        relocate(argument, &job.spans, &addresses);
    }
    let (module, _) = context.load(code)?;
    let function = module.function(&job.entry)?;
    let info = function.info()?;
    context.submit(&Prepared::new(&function, &info, &job.launch)?)?;
    context.synchronize()
}

/// Pointers into a span, and tensor maps of one, follow it to its new address.
fn relocate(argument: &mut [u8], spans: &[Span], addresses: &[u64]) {
    let moved = |address: u64| {
        let inside = |span: &Span| address.wrapping_sub(span.address) < span.bytes.max(1);
        let index = spans.iter().position(inside)?;
        Some(addresses[index] + (address - spans[index].address))
    };
    if let Ok(bytes) = <[u8; 8]>::try_from(&*argument) {
        if let Some(address) = moved(u64::from_le_bytes(bytes)) {
            argument.copy_from_slice(&address.to_le_bytes());
        }
    } else if let Ok(bytes) = <[u8; TENSOR_MAP_BYTES]>::try_from(&*argument)
        && let Some(map) = TensorMap::decode(&bytes)
        && let Some(address) = moved(map.address)
    {
        argument.copy_from_slice(&TensorMap { address, ..map }.encode());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_follow_their_span_and_numbers_stay() {
        let spans = [Span { address: 0x1000, bytes: 64 }, Span { address: 0x2000, bytes: 16 }];
        let mut pointer = 0x2008u64.to_le_bytes();
        relocate(&mut pointer, &spans, &[0x9000, 0xa000]);
        assert_eq!(u64::from_le_bytes(pointer), 0xa008);
        let mut number = 0x2010u64.to_le_bytes();
        relocate(&mut number, &spans, &[0x9000, 0xa000]);
        assert_eq!(u64::from_le_bytes(number), 0x2010);
        let mut word = 0x1000u32.to_le_bytes();
        relocate(&mut word, &spans, &[0x9000, 0xa000]);
        assert_eq!(u32::from_le_bytes(word), 0x1000);
    }
}
