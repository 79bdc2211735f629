//! The kernel's side of a device host.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::digest::digest;
use super::fault;
use super::host::serve;
use super::protocol::{Properties, Reply, Request, receive, send, send_file};
use super::shared::{BYTES, SharedMemory};
use crate::{
    Code, Device, FunctionId, FunctionInfo, Launch, LaunchReport, Moved, Occupancy, Place, TensorMap, Timing,
    TimingPlan,
};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;
use warpbook_process::child::ChildProcess;
use warpbook_process::memory::{self, Limit};

/// The command line's first word of a device host.
const COMMAND: &str = "device-host";
/// The command line's first word of a process that runs one launch for a profiler.
pub const REPLAY_COMMAND: &str = "device-replay";

/// Becomes a device host if the command line is `warpbook device-host cuda:0`. Called before anything else.
pub fn process_hook() {
    // Arguments need not be Unicode; what is not is none of these.
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next();
    let command = command.as_deref().and_then(OsStr::to_str);
    if command != Some(COMMAND) && command != Some(REPLAY_COMMAND) {
        return;
    }
    let device = arguments.next().unwrap_or_default().to_string_lossy().into_owned();
    let outcome = match (command, arguments.next()) {
        (Some(REPLAY_COMMAND), Some(folder)) => {
            let ordinal = device.strip_prefix("cuda:").and_then(|number| number.parse().ok()).unwrap_or(0);
            super::replay::run(ordinal, Path::new(&folder))
        }
        _ => serve(&device),
    };
    match outcome {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("device host `{device}`: {error}");
            std::process::exit(1)
        }
    }
}

/// A host that runs.
struct Link {
    socket: UnixStream,
    shared: SharedMemory,
    process: ChildProcess,
}

/// Device memory that the kernel has allocated.
struct Allocation {
    label: String,
    address: u64,
    bytes: u64,
    /// The last known contents, with their digest.
    copy: Option<(Arc<[u8]>, u64)>,
}

/// A device behind a host process.
pub struct Hosted {
    name: String,
    place: Place,
    /// The device that the host owns: `cuda:0`, or an emulator that stands in for it.
    backend: String,
    /// The `warpbook` program.
    program: PathBuf,
    properties: Properties,
    /// `None` when the host has died.
    link: RefCell<Option<Link>>,
    allocations: Vec<Allocation>,
    functions: Vec<FunctionInfo>,
    by_hash: HashMap<([u8; 32], String), FunctionId>,
    /// Bytes that the copies may take together.
    budget: u64,
}

impl Hosted {
    /// Starts the host of `cuda:0`. Errors say what is missing.
    pub fn start(name: &str) -> Result<Self> {
        // The running program, even if its file was replaced.
        Self::start_by(name, Path::new("/proc/self/exe"))
    }

    /// As [`Self::start`], with another `warpbook` program than the running one.
    pub fn start_by(name: &str, program: &Path) -> Result<Self> {
        Self::start_behind(name, name, program)
    }

    /// As [`Self::start_by`], with something else behind the socket: `emu:sm_90` in the place of a GPU, for tests.
    pub fn start_behind(name: &str, backend: &str, program: &Path) -> Result<Self> {
        let mut hosted = Self {
            name: name.to_owned(),
            place: Place::from_name(name).unwrap_or_default(),
            backend: backend.to_owned(),
            program: program.to_owned(),
            properties: Properties::default(),
            link: RefCell::new(None),
            allocations: Vec::new(),
            functions: Vec::new(),
            by_hash: HashMap::new(),
            budget: default_budget(),
        };
        hosted.connect()?;
        Ok(hosted)
    }

    /// Name, architecture and sizes of the GPU.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The host's process, while it lives.
    pub fn process_id(&self) -> Option<u32> {
        self.link.borrow().as_ref().map(|link| link.process.id())
    }

    fn connect(&mut self) -> Result<()> {
        let start = || -> io::Result<Link> {
            let (socket, its) = UnixStream::pair()?;
            let shared = SharedMemory::new()?;
            let mut command = Command::new(&self.program);
            // The name is for who looks at the processes, where something stands in for a GPU.
            command.arg0("warpbook").args([COMMAND, &self.backend, &self.name]);
            command.stdin(OwnedFd::from(its)).stdout(Stdio::null()).stderr(Stdio::null());
            let process = ChildProcess::spawn(command)?;
            send_file(&socket, shared.file().as_fd())?;
            Ok(Link { socket, shared, process })
        };
        let link = start().map_err(|error| {
            Diagnostic::error("device-host", format!("the host of {} did not start: {error}", self.name))
        })?;
        self.link = RefCell::new(Some(link));
        self.functions.clear();
        self.by_hash.clear();
        match self.ask(&Request::Hello)? {
            Reply::Hello { properties } => self.properties = properties,
            other => return Err(self.unexpected(&other)),
        }
        Ok(())
    }

    /// Sends a request and waits for its reply. A host that dies, or says that its device is lost, is gone afterwards.
    fn ask(&self, request: &Request) -> Result<Reply> {
        self.ask_with(request, |_| {}, |_| {})
    }

    /// As `ask`; `fill` writes to the shared memory before, `take` reads from it after.
    fn ask_with(
        &self,
        request: &Request,
        fill: impl FnOnce(&mut SharedMemory),
        take: impl FnOnce(&SharedMemory),
    ) -> Result<Reply> {
        let mut slot = self.link.borrow_mut();
        let Some(link) = slot.as_mut() else { return Err(self.gone()) };
        fill(&mut link.shared);
        let exchange = send(&mut link.socket, request).and_then(|()| receive::<Reply>(&mut link.socket));
        match exchange {
            Ok(Some(Reply::Refused { error })) => Err(fault::diagnostic(&error, &self.name, false)),
            Ok(Some(Reply::Lost { error, printed })) => {
                *slot = None;
                let diagnostic = fault::diagnostic(&error, &self.name, true);
                Err(match printed.trim_end() {
                    "" => diagnostic,
                    printed => diagnostic.note(format!("the kernel printed: {printed}")),
                })
            }
            Ok(Some(reply)) => {
                take(&link.shared);
                Ok(reply)
            }
            Ok(None) | Err(_) => {
                *slot = None;
                Err(self.gone())
            }
        }
    }

    fn gone(&self) -> Diagnostic {
        Diagnostic::error("device-host", format!("the process that owned {} is gone", self.name))
            .help("the next cell starts a new one")
    }

    fn unexpected(&self, reply: &Reply) -> Diagnostic {
        let message = format!("the host of {} gave an answer to another question", self.name);
        Diagnostic::error("device-host", message).note(format!("{reply:?}"))
    }

    /// As `ask`, for requests that may take long: an interrupt kills the host.
    fn ask_cancellable(&self, request: &Request, cancel: &Cancel) -> Result<Reply> {
        cancel.check()?;
        let killer = self.link.borrow().as_ref().map(|link| link.process.killer());
        let guard = killer.map(|killer| cancel.on_cancel(move || killer.kill()));
        let reply = self.ask(request);
        drop(guard);
        match reply {
            Err(_) if cancel.is_cancelled() && self.is_lost() => Err(Diagnostic::interrupted()),
            reply => reply,
        }
    }

    fn copy_in(&self, address: u64, bytes: &[u8]) -> Result<()> {
        for (piece, offset) in bytes.chunks(BYTES).zip((0u64..).step_by(BYTES)) {
            let request = Request::Write { address: address + offset, bytes: piece.len() };
            match self.ask_with(&request, |shared| shared.bytes_mut(piece.len()).copy_from_slice(piece), |_| {})? {
                Reply::Done => {}
                other => return Err(self.unexpected(&other)),
            }
        }
        Ok(())
    }

    /// Keeps what an allocation holds, within the budget: small ones rather than large ones.
    fn keep(&mut self, index: usize, bytes: Arc<[u8]>) {
        let Some(allocation) = self.allocations.get_mut(index) else { return };
        let digest = digest(&bytes);
        allocation.copy = Some((bytes, digest));
        self.shrink();
    }

    /// Forgets the largest copies until the others are within the budget.
    fn shrink(&mut self) {
        let size = |allocation: &Allocation| allocation.copy.as_ref().map_or(0, |(bytes, _)| bytes.len() as u64);
        while self.allocations.iter().map(size).sum::<u64>() > self.budget {
            let Some(largest) = self.allocations.iter_mut().max_by_key(|allocation| size(allocation)) else { return };
            largest.copy = None;
        }
    }

    fn position(&self, address: u64) -> Option<usize> {
        self.allocations.iter().position(|allocation| allocation.address == address)
    }
}

/// A quarter of the host's memory, or of what this process may have of it: the default limit for copies of buffers.
pub fn default_budget() -> u64 {
    let info = rustix::system::sysinfo();
    let machine = (info.totalram as u64).saturating_mul(u64::from(info.mem_unit));
    let available = memory::available();
    if available.limit == Limit::Machine { machine / 4 } else { machine.min(available.bytes) / 4 }
}

impl Device for Hosted {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn description(&self) -> String {
        let Properties { name, capability, driver, package, .. } = &self.properties;
        let package = package.as_ref().map_or(String::new(), |package| format!(" {package}"));
        format!("{name}, sm_{capability}, driver{package} (CUDA {}.{})", driver / 1000, driver % 1000 / 10)
    }

    fn place(&self) -> Place {
        self.place
    }

    fn is_emulated(&self) -> bool {
        false
    }

    fn runs_machine_code(&self) -> bool {
        self.properties.machine_code
    }

    fn set_budget(&mut self, bytes: u64) {
        self.budget = bytes;
        self.shrink();
    }

    fn capability(&self) -> u32 {
        self.properties.capability
    }

    fn shared_limit(&self) -> u32 {
        self.properties.shared_optin
    }

    fn allocate(&mut self, label: &str, bytes: u64) -> Result<u64> {
        match self.ask(&Request::Allocate { bytes })? {
            Reply::Address { address } => {
                self.allocations.push(Allocation { label: label.to_owned(), address, bytes, copy: None });
                Ok(address)
            }
            other => Err(self.unexpected(&other)),
        }
    }

    fn free(&mut self, address: u64) {
        if let Some(index) = self.position(address) {
            self.allocations.swap_remove(index);
            // A host that is gone has freed everything.
            let _ = self.ask(&Request::Free { address });
        }
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        let inside = self.allocations.iter().position(|allocation| {
            address >= allocation.address
                && address - allocation.address <= allocation.bytes
                && bytes.len() as u64 <= allocation.bytes - (address - allocation.address)
        });
        let Some(index) = inside else {
            let message = format!("{} bytes at {address:#x} are not inside one allocation", bytes.len());
            return Err(Diagnostic::error("bad-address", message));
        };
        self.copy_in(address, bytes)?;
        let allocation = &mut self.allocations[index];
        if address == allocation.address && bytes.len() as u64 == allocation.bytes {
            self.keep(index, bytes.into());
        } else {
            // The digest finds out at the next snapshot.
            allocation.copy = None;
        }
        Ok(())
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<()> {
        for (piece, offset) in bytes.chunks_mut(BYTES).zip((0u64..).step_by(BYTES)) {
            let request = Request::Read { address: address + offset, bytes: piece.len() };
            let length = piece.len();
            match self.ask_with(&request, |_| {}, |shared| piece.copy_from_slice(shared.bytes(length)))? {
                Reply::Done => {}
                other => return Err(self.unexpected(&other)),
            }
        }
        Ok(())
    }

    fn snapshot(&mut self, spans: &[(u64, u64)]) -> Result<Vec<Arc<[u8]>>> {
        let digests = self.digests(spans)?;
        let mut contents = Vec::with_capacity(spans.len());
        for (&(address, bytes), now) in spans.iter().zip(digests) {
            let index = self.position(address).filter(|&index| self.allocations[index].bytes == bytes);
            let known = index.and_then(|index| self.allocations[index].copy.as_ref());
            if let Some((copy, digest)) = known
                && *digest == now
            {
                contents.push(Arc::clone(copy));
                continue;
            }
            let mut copy = vec![0; bytes as usize];
            self.read(address, &mut copy)?;
            let copy: Arc<[u8]> = copy.into();
            if let Some(index) = index {
                self.keep(index, Arc::clone(&copy));
            }
            contents.push(copy);
        }
        Ok(contents)
    }

    fn digests(&mut self, spans: &[(u64, u64)]) -> Result<Vec<u64>> {
        match self.ask(&Request::Digest { spans: spans.to_vec() })? {
            Reply::Digests { digests } if digests.len() == spans.len() => Ok(digests),
            other => Err(self.unexpected(&other)),
        }
    }

    fn is_lost(&self) -> bool {
        let mut slot = self.link.borrow_mut();
        // It may have died between two requests.
        if slot.as_mut().is_some_and(|link| !matches!(link.process.try_wait(), Ok(None))) {
            *slot = None;
        }
        slot.is_none()
    }

    fn restart(&mut self) -> Result<Vec<Moved>> {
        self.connect()?;
        let mut moved = Vec::with_capacity(self.allocations.len());
        for index in 0..self.allocations.len() {
            let (from, bytes) = (self.allocations[index].address, self.allocations[index].bytes);
            let to = match self.ask(&Request::Allocate { bytes })? {
                Reply::Address { address } => address,
                other => return Err(self.unexpected(&other)),
            };
            self.allocations[index].address = to;
            let copy = self.allocations[index].copy.as_ref().map(|(copy, _)| Arc::clone(copy));
            if let Some(copy) = &copy {
                self.copy_in(to, copy)?;
            }
            moved.push(Moved { label: self.allocations[index].label.clone(), from, to, restored: copy.is_some() });
        }
        Ok(moved)
    }

    fn load(&mut self, code: Code<'_>, entry: &str) -> Result<FunctionId> {
        let ascii: String;
        let bytes = match code {
            // The driver's compiler refuses other characters even in comments.
            Code::Ptx(text) | Code::ParsedPtx { text, .. } if !text.is_ascii() => {
                ascii = text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
                ascii.as_bytes()
            }
            code => code.bytes(),
        };
        let key = (Sha256::digest(bytes).into(), entry.to_owned());
        if let Some(&function) = self.by_hash.get(&key) {
            return Ok(function);
        }
        if bytes.len() >= BYTES {
            let message = format!("{} bytes of code are more than {} can be given", bytes.len(), self.name);
            return Err(Diagnostic::error("code-size", message));
        }
        let request = Request::Load { bytes: bytes.len(), entry: entry.to_owned() };
        match self.ask_with(&request, |shared| shared.bytes_mut(bytes.len()).copy_from_slice(bytes), |_| {})? {
            Reply::Function { function, info } => {
                let function = FunctionId(function);
                let index = function.0 as usize;
                if self.functions.len() <= index {
                    self.functions.resize(index + 1, FunctionInfo::default());
                }
                self.functions[index] = info;
                self.by_hash.insert(key, function);
                Ok(function)
            }
            other => Err(self.unexpected(&other)),
        }
    }

    fn info(&self, function: FunctionId) -> FunctionInfo {
        self.functions.get(function.0 as usize).cloned().unwrap_or_default()
    }

    fn occupancy(&self, launch: &Launch) -> Option<Occupancy> {
        match self.ask(&Request::Occupancy { launch: launch.clone() }) {
            Ok(Reply::Occupancy { occupancy }) => Some(occupancy),
            _ => None,
        }
    }

    fn tensor_map(&self, map: &TensorMap) -> Result<Vec<u8>> {
        match self.ask(&Request::TensorMap { map: map.clone() })? {
            Reply::TensorMap { bytes } => Ok(bytes),
            other => Err(self.unexpected(&other)),
        }
    }

    fn launch(&mut self, launch: &Launch, cancel: &Cancel, print: &(dyn Fn(&str) + Sync)) -> Result<LaunchReport> {
        match self.ask_cancellable(&Request::Launch { launch: launch.clone() }, cancel)? {
            Reply::Launched { nanoseconds, host_nanoseconds, printed } => {
                if !printed.is_empty() {
                    print(&printed);
                }
                let host = Some(Duration::from_nanos(host_nanoseconds));
                Ok(LaunchReport { elapsed: Duration::from_nanos(nanoseconds), host, ..LaunchReport::default() })
            }
            other => Err(self.unexpected(&other)),
        }
    }

    fn time(&mut self, launch: &Launch, plan: &TimingPlan, cancel: &Cancel) -> Result<Timing> {
        match self.ask_cancellable(&Request::Time { launch: launch.clone(), plan: *plan }, cancel)? {
            Reply::Timed { timing } => Ok(timing),
            other => Err(self.unexpected(&other)),
        }
    }
}
