//! The CPU emulator as a [`Device`].

use std::collections::HashMap;
use std::ops::Range;
use std::ptr::NonNull;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::{Code, Device, FunctionId, FunctionInfo, Launch, LaunchReport, Place, TensorMap, Timing, TimingPlan};
use warpbook_diagnostic::{Diagnostic, Result, code, interrupt};
use warpbook_emulator::{Arithmetic, GlobalMemory, LaunchConfig, Module, launch};
use warpbook_gpu::GpuLimits;
use warpbook_process::cancel::Cancel;
use warpbook_process::memory::{self, Shortage};

/// Bytes that are copied to the host between two looks at the interrupt.
const PIECE: usize = 64 << 20;

struct Loaded {
    module: Module,
    /// Addresses of the module's global variables.
    globals: Vec<u64>,
    /// A warning from loading, for the reader of the report.
    warning: Option<String>,
}

/// An emulated GPU of one compute capability, with its memory.
pub struct Emulated {
    capability: u32,
    arithmetic: Arithmetic,
    memory: GlobalMemory,
    /// Spans of memory (address, bytes) that no launch has written, for the check of uninitialised reads.
    unwritten: Vec<(u64, u64)>,
    modules: Vec<Loaded>,
    by_hash: HashMap<[u8; 32], usize>,
    /// Module and entry of each function.
    functions: Vec<(usize, String)>,
}

impl Emulated {
    /// A device without memory in use. `capability` is the compute capability of the emulated GPU: 80.
    pub fn new(capability: u32) -> Self {
        Self {
            capability,
            arithmetic: Arithmetic::Exact,
            memory: GlobalMemory::default(),
            unwritten: Vec::new(),
            modules: Vec::new(),
            by_hash: HashMap::new(),
            functions: Vec::new(),
        }
    }

    /// As [`new`](Self::new), for a device that works on memory of this process ([`borrow`](Self::borrow)): its own allocations
    /// lie where Linux gives no program memory.
    pub fn beside_the_host(capability: u32) -> Self {
        Self { memory: GlobalMemory::beside_the_host(), ..Self::new(capability) }
    }

    /// The same device with tensor cores in the host's own f32 arithmetic, which is quicker and has other bits.
    #[must_use]
    pub fn with_fast_arithmetic(mut self, fast: bool) -> Self {
        self.set_fast_arithmetic(fast);
        self
    }

    /// Allocates zeroed memory at an address of another program's, a multiple of 64.
    ///
    /// # Errors
    ///
    /// The address is not aligned, the range meets another allocation, or the host has no more memory.
    pub fn allocate_at(&mut self, label: &str, address: u64, bytes: u64) -> Result<()> {
        self.memory.allocate_at(label, address, bytes).ok_or_else(|| {
            let message = format!("{bytes} bytes for {label} cannot be placed at 0x{address:x}");
            Diagnostic::error("bad-address", message)
        })
    }

    /// Makes memory of this process device memory, where it lies and without a copy; its device address is its own.
    ///
    /// # Errors
    ///
    /// The range meets another allocation.
    ///
    /// # Safety
    ///
    /// The bytes can be read and written until [`free`](Device::free) of the address, and while a launch runs nobody else
    /// accesses them.
    pub unsafe fn borrow(&mut self, label: &str, begin: NonNull<u8>, bytes: u64) -> Result<u64> {
        // SAFETY: promised by the caller.
        unsafe { self.memory.borrow(label, begin, bytes) }.ok_or_else(|| {
            let message = format!("{label} shares memory with another tensor of the launch, at {begin:p}");
            Diagnostic::error("bad-address", message)
        })
    }

    fn load_module(&mut self, code: Code<'_>) -> Result<usize> {
        let hash = Sha256::digest(code.bytes());
        if let Some(&index) = self.by_hash.get(hash.as_slice()) {
            return Ok(index);
        }
        let (module, warning) = match code {
            Code::Ptx(text) => (Module::load(text)?, None),
            Code::ParsedPtx { text, syntax } => (Module::from_syntax(text, syntax)?, None),
            Code::Cubin(bytes) => {
                let note = "the cubin's own machine code was not run: the emulator ran the PTX that it carries";
                (Module::load(&ptx_of_cubin(bytes)?)?, Some(note.to_owned()))
            }
        };
        let globals = self.place_variables(&module)?;
        self.modules.push(Loaded { module, globals, warning });
        self.by_hash.insert(hash.into(), self.modules.len() - 1);
        Ok(self.modules.len() - 1)
    }

    fn place_variables(&mut self, module: &Module) -> Result<Vec<u64>> {
        let variables = module.variables();
        let mut addresses = Vec::with_capacity(variables.len());
        for variable in &variables {
            addresses.push(self.allocate(&variable.name, variable.bytes.len() as u64)?);
        }
        for (variable, &address) in variables.iter().zip(&addresses) {
            let mut bytes = variable.bytes.clone();
            for (offset, symbol, addend) in &variable.addresses {
                let target = variables.iter().position(|other| other.name == *symbol);
                let value = target.and_then(|index| addresses.get(index)).map_or(0, |a| a.wrapping_add(*addend as u64));
                if let Some(slot) = bytes.get_mut(*offset as usize..*offset as usize + 8) {
                    slot.copy_from_slice(&value.to_le_bytes());
                }
            }
            self.write(address, &bytes)?;
        }
        Ok(addresses)
    }

    fn function(&self, function: FunctionId) -> Result<(&Loaded, &warpbook_emulator::Kernel)> {
        let found = self.functions.get(function.0 as usize).and_then(|(module, entry)| {
            let loaded = self.modules.get(*module)?;
            Some((loaded, loaded.module.kernel(entry)?))
        });
        found.ok_or_else(|| Diagnostic::error("unknown-function", "this function is not loaded"))
    }

    fn check(&self, launch: &Launch, module: &Module, kernel: &warpbook_emulator::Kernel) -> Result<()> {
        let fail = |message: String| Err(Diagnostic::error(code::LAUNCH_CONFIG, message));
        runs_here(module, self.capability)?;
        let declaration = &kernel.declaration;
        let threads: u64 = launch.block.iter().map(|&extent| u64::from(extent)).product();
        if threads == 0 || threads > 1024 {
            return fail(format!("a block has 1 to 1024 threads, not {threads}"));
        }
        if let Some(required) = declaration.reqntid
            && required != launch.block
        {
            return fail(format!(
                "the kernel was compiled for blocks of {required:?} threads (.reqntid), not {:?}",
                launch.block
            ));
        }
        if let Some(most) = declaration.maxntid
            && threads > most.iter().map(|&extent| u64::from(extent)).product()
        {
            return fail(format!(
                "the kernel was compiled for blocks of at most {most:?} threads (.maxntid), not {threads}"
            ));
        }
        if launch.grid.contains(&0) {
            return fail(format!("the grid {:?} is empty", launch.grid));
        }
        if launch.grid[1] > 65535 || launch.grid[2] > 65535 || launch.grid[0] > i32::MAX as u32 {
            return fail(format!(
                "the grid {:?} is beyond the limit of 2147483647 × 65535 × 65535 blocks",
                launch.grid
            ));
        }
        let own = launch.shared.saturating_sub(launch.extra_shared);
        let shared = u64::from(own) + u64::from(kernel.static_shared());
        if shared > self.shared_limit().into() {
            let limit = self.shared_limit();
            return fail(format!("{shared} bytes of shared memory are more than sm_{} has ({limit})", self.capability));
        }
        check_cluster(launch, declaration.cluster, self.capability)?;
        let expected: Vec<u32> = declaration.params.iter().map(warpbook_ptx::Param::size).collect();
        let given: Vec<u32> = launch.args.iter().map(|value| value.len() as u32).collect();
        if expected != given {
            return fail(format!("the kernel's parameters have {expected:?} bytes, the arguments {given:?}"));
        }
        Ok(())
    }
}

/// Refuses code of an architecture that the emulated one cannot run: a newer one, or another one with features of its own
/// (PTX ISA 11.1.2, `.target`). A GPU compiles code of an older one and runs it.
fn runs_here(module: &Module, capability: u32) -> Result<()> {
    match module.target() {
        Some(target) if !target.runs_on(capability) => {
            let message = format!("this code is for `{target}`, which an sm_{capability} cannot run");
            let error = Diagnostic::error("wrong-architecture", message);
            Err(error.help(format!("`%target sm_{}` emulates the architecture that the code is for", target.number)))
        }
        _ => Ok(()),
    }
}

impl Device for Emulated {
    fn name(&self) -> String {
        let fast = if self.arithmetic == Arithmetic::Fast { ":fast" } else { "" };
        format!("emu:sm_{}{fast}", self.capability)
    }

    fn place(&self) -> Place {
        Place::Emulator
    }

    fn is_emulated(&self) -> bool {
        true
    }

    fn set_fast_arithmetic(&mut self, fast: bool) {
        self.arithmetic = if fast { Arithmetic::Fast } else { Arithmetic::Exact };
    }

    fn emulate(&mut self, capability: u32) {
        self.capability = capability;
    }

    fn capability(&self) -> u32 {
        self.capability
    }

    fn shared_limit(&self) -> u32 {
        GpuLimits::for_capability(self.capability).shared_per_block
    }

    fn allocate(&mut self, label: &str, bytes: u64) -> Result<u64> {
        let refused = |shortage: Shortage| shortage.diagnostic(&format!("`{label}` on the emulated device"));
        memory::check(Some(bytes)).map_err(refused)?;
        let address = self.memory.allocate(label, bytes);
        address.ok_or_else(|| refused(Shortage { wanted: Some(bytes), available: memory::available() }))
    }

    fn free(&mut self, address: u64) {
        self.memory.free(address);
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        if self.memory.write(address, bytes) { Ok(()) } else { Err(outside(address, bytes.len())) }
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<()> {
        if !bytes.is_empty() && self.memory.find(address, bytes.len() as u64).is_none() {
            return Err(outside(address, bytes.len()));
        }
        for (piece, at) in bytes.chunks_mut(PIECE).zip((address..).step_by(PIECE)) {
            interrupt::check()?;
            if !self.memory.read(at, piece) {
                return Err(outside(at, piece.len()));
            }
        }
        Ok(())
    }

    fn load(&mut self, code: Code<'_>, entry: &str) -> Result<FunctionId> {
        let module = self.load_module(code)?;
        let loaded = &self.modules[module].module;
        if loaded.kernel(entry).is_none() {
            let names: Vec<&str> = loaded.kernel_names().collect();
            let error = Diagnostic::error("unknown-entry", format!("the PTX has no entry function `{entry}`"));
            return Err(error.note(format!("it has: {}", names.join(", "))));
        }
        let function = (module, entry.to_owned());
        let index = self.functions.iter().position(|known| *known == function).unwrap_or_else(|| {
            self.functions.push(function);
            self.functions.len() - 1
        });
        Ok(FunctionId(index as u64))
    }

    fn info(&self, function: FunctionId) -> FunctionInfo {
        let Ok((_, kernel)) = self.function(function) else { return FunctionInfo::default() };
        FunctionInfo {
            registers: None,
            spills: None,
            static_shared: kernel.static_shared(),
            local: kernel.local_bytes(),
            params: kernel.declaration.params.iter().map(|param| param.size()).collect(),
            max_threads: None,
            log: String::new(),
            contractible: kernel.contractible(),
        }
    }

    fn launch(&mut self, request: &Launch, cancel: &Cancel, print: &(dyn Fn(&str) + Sync)) -> Result<LaunchReport> {
        let (loaded, kernel) = self.function(request.function)?;
        self.check(request, &loaded.module, kernel)?;
        let config = LaunchConfig {
            grid: request.grid,
            block: request.block,
            cluster: request.cluster,
            shared: request.shared,
            parameters: request.args.clone(),
            globals: loaded.globals.clone(),
            capability: self.capability,
            arithmetic: self.arithmetic,
            check: request.check,
            seed: request.seed,
            observe: request.observe.clone(),
            unwritten: self.unwritten.clone(),
            ..LaunchConfig::default()
        };
        let start = Instant::now();
        let outcome = launch(&loaded.module, kernel, &config, &self.memory, cancel.flag(), print);
        let elapsed = start.elapsed();
        let stats = outcome.map_err(|fault| fault.into_diagnostic(loaded.module.source()))?;
        let source = loaded.module.source();
        let line = |span: &Range<usize>| 1 + source.text.get(..span.start).unwrap_or_default().matches('\n').count();
        let repaired = stats.repaired.first().map(|first| {
            let more = if stats.repaired.len() > 1 { format!(" (and at {} more)", stats.repaired.len() - 1) } else { String::new() };
            format!(
                "line {} of the PTX{more} uses the accumulator of a `wgmma` before the wait for it: the emulator added a \
                 wait, as ptxas does (its remark C7517)",
                line(first)
            )
        });
        Ok(LaunchReport {
            elapsed,
            host: None,
            warp_instructions: Some(stats.warp_instructions),
            shared_touched: Some(stats.shared_touched),
            warnings: loaded.warning.iter().cloned().chain(repaired).collect(),
            checked: stats.checked,
            observed: stats.observed,
        })
    }

    fn set_unwritten(&mut self, ranges: Vec<(u64, u64)>) {
        self.unwritten = ranges;
    }

    /// Samples are wall times of the emulator.
    fn time(&mut self, launch: &Launch, plan: &TimingPlan, cancel: &Cancel) -> Result<Timing> {
        let count = plan.samples.unwrap_or(20).max(1);
        let quiet = |_: &str| {};
        let samples = (0..count).map(|_| Ok(self.launch(launch, cancel, &quiet)?.elapsed)).collect::<Result<_>>()?;
        Ok(Timing { samples, method: "wall time of the emulator".to_owned(), ..Timing::default() })
    }

    fn tensor_map(&self, map: &TensorMap) -> Result<Vec<u8>> {
        Ok(map.encode().into())
    }
}

/// CUDA Programming Guide, "Thread Block Clusters": from compute capability 9.0 on, of at most 8 blocks unless the
/// launch asks for 16, and no cluster is cut off by the grid's end.
fn check_cluster(launch: &Launch, required: Option<[u32; 3]>, capability: u32) -> Result<()> {
    let fail = |message: String| Err(Diagnostic::error(code::LAUNCH_CONFIG, message));
    let cluster = launch.cluster;
    if let Some(required) = required
        && required != cluster
    {
        return fail(format!(
            "the kernel was compiled for clusters of {required:?} blocks (.reqnctapercluster), not {cluster:?}"
        ));
    }
    if cluster == [1; 3] {
        return Ok(());
    }
    if capability < 90 {
        return fail(format!("sm_{capability} has no clusters of blocks: sm_90 is the first that does"));
    }
    let blocks: u64 = cluster.iter().map(|&extent| u64::from(extent)).product();
    if blocks == 0 || blocks > 16 {
        return fail(format!("a cluster has 1 to 16 blocks, not {blocks}"));
    }
    if launch.grid.iter().zip(cluster).any(|(extent, each)| !extent.is_multiple_of(each)) {
        return fail(format!("the grid {:?} is not a multiple of the cluster {cluster:?}", launch.grid));
    }
    Ok(())
}

fn outside(address: u64, bytes: usize) -> Diagnostic {
    Diagnostic::error("bad-address", format!("{bytes} bytes at 0x{address:x} are not inside one allocation"))
}

/// The PTX that a cubin carries.
fn ptx_of_cubin(bytes: &[u8]) -> Result<String> {
    let fail = |message: &str| {
        Diagnostic::error(code::CUBIN_WITHOUT_PTX, message)
            .note("the emulator runs PTX; it does not execute machine code (SASS)")
            .help("run it on a GPU, or enter the kernel at an earlier stage")
    };
    let file = object::File::parse(bytes).map_err(|_| fail("this is not a cubin: it is not an ELF file"))?;
    warpbook_ptx::embedded_in(&file).ok_or_else(|| fail("this cubin carries no PTX"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn copies_to_the_host_end_at_an_interrupt() {
        let mut device = Emulated::new(80);
        let bytes = (PIECE + 100) as u64;
        let address = device.allocate("large", bytes).expect("memory");
        device.write(address + PIECE as u64, &[7; 100]).expect("written");
        let mut copy = vec![0; bytes as usize];
        device.read(address, &mut copy).expect("read");
        assert!(copy[PIECE..] == [7; 100] && copy[..PIECE].iter().all(|&byte| byte == 0));
        assert!(device.read(address + 1, &mut copy).is_err(), "a byte too many");
        let set = Arc::new(AtomicBool::new(true));
        interrupt::under(&set, || {
            assert!(device.read(address, &mut copy).expect_err("interrupted").is_interrupted());
            assert!(device.snapshot(&[(address, bytes)]).expect_err("interrupted").is_interrupted());
            assert!(device.digests(&[(address, bytes)]).expect_err("interrupted").is_interrupted());
        });
    }

    #[test]
    fn code_of_another_architecture_is_refused_and_older_code_runs() {
        for (target, capability, runs) in [
            ("sm_80", 90, true),
            ("sm_90", 80, false),
            ("sm_90a", 90, true),
            ("sm_90a", 100, false),
            ("sm_100a", 90, false),
        ] {
            let text = format!(".version 8.7\n.target {target}\n.address_size 64\n.visible .entry k()\n{{\nret;\n}}\n");
            let module = Module::load(&text).unwrap_or_else(|error| panic!("{}", error.to_plain()));
            let error = runs_here(&module, capability).err().map(|error| error.to_plain());
            assert_eq!(error.is_none(), runs, "{target} on sm_{capability}: {error:?}");
            if let Some(error) = error {
                let named = [format!("`{target}`"), format!("sm_{capability}"), "`%target sm_".to_owned()];
                assert!(named.iter().all(|part| error.contains(part.as_str())), "{error}");
            }
        }
    }
}
