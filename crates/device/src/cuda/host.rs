//! The process that owns a CUDA context: `warpbook device-host cuda:0`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::fs::MemfdFlags;

use super::backend::{Answer, Backend};
use super::digest;
use super::driver::{Context, Function, Module, Prepared};
use super::emulated_host::EmulatedHost;
use super::protocol::{DriverError, Reply, Request, receive, receive_file, send};
use super::shared::SharedMemory;
use super::timing::{self, Flush, Meter};
use crate::{FunctionId, FunctionInfo, Launch};

/// Bytes written to flush an L2 cache of unknown size, and at least: what `do_bench` writes.
const FLUSH: u64 = 256 << 20;

/// Serves requests on standard input, which is a socket, until it ends or the device is lost. `device` is `cuda:0`.
///
/// `emu:sm_80` puts the emulator behind the same socket: what the kernel's side does when a host dies can be tried
/// without a GPU.
pub fn serve(device: &str) -> io::Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let shared = SharedMemory::map(receive_file(&socket)?)?;
    let backend: Result<Box<dyn Backend>, DriverError> = match device.split_once(':') {
        Some(("cuda", ordinal)) => match ordinal.parse() {
            Ok(ordinal) => Host::new(ordinal, shared, Printed::capture()?).map(|host| Box::new(host) as _),
            Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "`cuda:N` names a GPU")),
        },
        _ => match device.strip_prefix("emu:sm_").and_then(|capability| capability.parse().ok()) {
            Some(capability) => Ok(Box::new(EmulatedHost::new(capability, shared))),
            None => return Err(io::Error::new(io::ErrorKind::InvalidInput, "`cuda:N` names a GPU")),
        },
    };
    let mut backend = match backend {
        Ok(backend) => backend,
        Err(error) => {
            // The answer to the first request, whatever it is.
            let _: Option<Request> = receive(&mut socket)?;
            return send(&mut socket, &Reply::Lost { error, printed: String::new() });
        }
    };
    while let Some(request) = receive(&mut socket)? {
        let reply = match backend.answer(request) {
            Ok(reply) => reply,
            Err(error) => backend.failed(error),
        };
        send(&mut socket, &reply)?;
        if matches!(reply, Reply::Lost { .. }) {
            break;
        }
    }
    Ok(())
}

struct Loaded {
    function: Function,
    info: FunctionInfo,
}

struct Host {
    context: Context,
    shared: SharedMemory,
    printed: Printed,
    /// Loaded code stays loaded: functions point into it.
    modules: Vec<Module>,
    functions: Vec<Loaded>,
    meter: Meter,
    digest: Option<Digest>,
    flush: Option<Flush>,
}

struct Digest {
    function: Function,
    info: FunctionInfo,
    sum: u64,
}

impl Host {
    fn new(ordinal: u32, shared: SharedMemory, printed: Printed) -> Result<Self, DriverError> {
        let context = Context::new(ordinal)?;
        // Copies are slower without; they work.
        let _ = context.register(shared.address(), super::shared::BYTES);
        let meter = Meter::new(&context);
        Ok(Self {
            context,
            shared,
            printed,
            modules: Vec::new(),
            functions: Vec::new(),
            meter,
            digest: None,
            flush: None,
        })
    }
}

impl Backend for Host {
    /// The reply for a failed call. After a fault every call fails with the same error, so a harmless call shows
    /// whether the context is lost.
    fn failed(&mut self, error: DriverError) -> Reply {
        match self.context.synchronize() {
            Ok(()) => Reply::Refused { error },
            Err(fault) => {
                let (printed, detail) = self.printed.take();
                Reply::Lost { error: DriverError { detail, call: error.call, ..fault }, printed }
            }
        }
    }

    fn answer(&mut self, request: Request) -> Answer {
        Ok(match request {
            Request::Hello => Reply::Hello { properties: self.context.properties.clone() },
            Request::Allocate { bytes } => Reply::Address { address: self.context.allocate(bytes)? },
            Request::Free { address } => {
                self.context.free(address)?;
                Reply::Done
            }
            Request::Write { address, bytes } => {
                self.context.write(address, self.shared.bytes(bytes))?;
                Reply::Done
            }
            Request::Read { address, bytes } => {
                let bytes = bytes.min(super::shared::BYTES);
                self.context.read(self.shared.address(), address, bytes)?;
                Reply::Done
            }
            Request::Digest { spans } => Reply::Digests { digests: self.digests(&spans)? },
            Request::Load { bytes, entry } => self.load(bytes, &entry)?,
            Request::Occupancy { launch } => {
                let loaded = self.function(launch.function)?;
                Reply::Occupancy { occupancy: self.context.occupancy(&loaded.function, &launch)? }
            }
            Request::Launch { launch } => self.launch(&launch)?,
            Request::Time { launch, plan } => {
                if plan.flush && self.flush.is_none() {
                    let bytes = FLUSH.max(2 * self.context.properties.l2);
                    self.flush = Some(Flush { address: self.context.allocate(bytes)?, bytes });
                }
                let loaded = self.function(launch.function)?;
                let prepared = Prepared::new(&loaded.function, &loaded.info, &launch)?;
                let flush = self.flush.as_ref().filter(|_| plan.flush);
                Reply::Timed { timing: timing::time(&self.context, &prepared, &plan, flush, &self.meter)? }
            }
            Request::TensorMap { map } => Reply::TensorMap { bytes: self.context.tensor_map(&map)? },
        })
    }
}

impl Host {
    fn function(&self, id: FunctionId) -> Result<&Loaded, DriverError> {
        self.functions.get(id.0 as usize).ok_or_else(|| DriverError {
            call: "cuModuleGetFunction".into(),
            name: "CUDA_ERROR_INVALID_HANDLE".into(),
            text: "this function is not loaded".into(),
            detail: String::new(),
        })
    }

    fn load(&mut self, bytes: usize, entry: &str) -> Answer {
        let (module, log) = self.context.load(self.shared.bytes(bytes))?;
        let function = module.function(entry)?;
        let info = FunctionInfo { spills: spilled(&log), log, ..function.info()? };
        self.modules.push(module);
        self.functions.push(Loaded { function, info: info.clone() });
        Ok(Reply::Function { function: self.functions.len() as u64 - 1, info })
    }

    fn launch(&mut self, launch: &Launch) -> Answer {
        let start = Instant::now();
        let loaded = self.function(launch.function)?;
        let prepared = Prepared::new(&loaded.function, &loaded.info, launch)?;
        let nanoseconds = self.context.timed(|| self.context.submit(&prepared))?;
        let host_nanoseconds = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Ok(Reply::Launched { nanoseconds, host_nanoseconds, printed: self.printed.take().0 })
    }

    fn digests(&mut self, spans: &[(u64, u64)]) -> Result<Vec<u64>, DriverError> {
        let digest = match self.digest.take() {
            Some(digest) => digest,
            None => {
                let (module, _) = self.context.load(digest::PTX.as_bytes())?;
                let function = module.function("digest")?;
                let info = function.info()?;
                self.modules.push(module);
                Digest { function, info, sum: self.context.allocate(8 * MOST_SPANS as u64)? }
            }
        };
        let digest = self.digest.insert(digest);
        let context = &self.context;
        let mut digests = Vec::with_capacity(spans.len());
        for spans in spans.chunks(MOST_SPANS) {
            context.zero(digest.sum, 8 * spans.len() as u64)?;
            for (&(address, bytes), index) in spans.iter().zip(0u64..) {
                let words = digest::whole_words(bytes);
                let blocks = words.div_ceil(u64::from(digest::THREADS) * 4).clamp(1, 2048) as u32;
                let args = [address, words, digest.sum + 8 * index];
                let launch = Launch {
                    function: FunctionId(0),
                    grid: [blocks, 1, 1],
                    block: [digest::THREADS, 1, 1],
                    cluster: [1; 3],
                    shared: 0,
                    extra_shared: 0,
                    args: args.iter().map(|value| value.to_le_bytes().to_vec()).collect(),
                    cooperative: false,
                    dependent: false,
                    seed: 0,
                    observe: None,
                    check: false,
                };
                context.submit(&Prepared::new(&digest.function, &digest.info, &launch)?)?;
            }
            let mut sums = vec![0u64; spans.len()];
            context.read(sums.as_mut_ptr().cast(), digest.sum, 8 * spans.len())?;
            for (sum, &(address, bytes)) in sums.iter().zip(spans) {
                let words = digest::whole_words(bytes);
                let mut rest = [0u8; 8];
                let length = (bytes - 8 * words) as usize;
                if length > 0 {
                    context.read(rest.as_mut_ptr(), address + 8 * words, length)?;
                }
                digests.push(sum.wrapping_add(digest::tail(&rest[..length], words)));
            }
        }
        Ok(digests)
    }
}

/// Bytes of spills per thread, from the log of the driver's compiler: `8 bytes spill stores`.
fn spilled(log: &str) -> Option<u32> {
    let (before, _) = log.split_once(" bytes spill stores")?;
    before.rsplit([' ', '\t', ',']).next()?.parse().ok()
}

/// Spans whose sums lie in device memory at one time.
const MOST_SPANS: usize = 512;

unsafe extern "C" {
    /// C's `fflush`; with null, of every stream.
    fn fflush(stream: *mut std::ffi::c_void) -> std::ffi::c_int;
}

/// What the driver prints for device code: `printf` on standard output, failed assertions on standard error. Both go
/// to files in memory, which are read after each launch.
struct Printed {
    stdout: File,
    stderr: File,
}

impl Printed {
    fn capture() -> io::Result<Self> {
        let file = |name: &str| rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC).map(File::from);
        let printed = Self { stdout: file("stdout")?, stderr: file("stderr")? };
        rustix::stdio::dup2_stdout(&printed.stdout)?;
        rustix::stdio::dup2_stderr(&printed.stderr)?;
        Ok(printed)
    }

    /// What was printed since the last time, on each of the two.
    fn take(&self) -> (String, String) {
        // SAFETY: flushing every stream of the C library is allowed at any time.
        unsafe { fflush(std::ptr::null_mut()) };
        let read = |mut file: &File| -> io::Result<String> {
            let mut bytes = Vec::new();
            // The duplicates on descriptors 1 and 2 share this offset.
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut bytes)?;
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        (read(&self.stdout).unwrap_or_default(), read(&self.stderr).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::spilled;

    #[test]
    fn spills_are_read_from_the_log() {
        let log = "ptxas info    : Function properties for k\nptxas         .     16 bytes stack frame, 12 bytes spill stores, 8 \
                   bytes spill loads";
        assert_eq!((spilled(log), spilled("")), (Some(12), None));
    }
}
