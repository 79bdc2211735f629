//! Time of the emulator on PTX of Triton's own (`benches/ptx`, made by `benches/ptx/make.py`).
//!
//!     cargo bench --no-default-features --bench emulator
//!
//! Elements per second are warp instructions per second: the same for each size of a matmul where cost is linear in what
//! is executed. `cores` runs one launch on one core and on all. Results are compared with sums in double precision. The
//! last lines say the peak of the process's memory and the machine. `WARPBOOK_VECTOR_UNIT=avx2` or `portable` uses no more
//! of the host's vector unit than that.

#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use half::f16;
use warpbook_emulator::observe::Observe;
use warpbook_emulator::{
    Arithmetic, GlobalMemory, Interleave, LaunchConfig, Module, TensorMap, TensorMapSwizzle, TensorMapType, launch,
};

/// A kernel, its launch, and its memory.
struct Case {
    module: Module,
    entry: String,
    config: LaunchConfig,
    memory: GlobalMemory,
    /// Where the result is, and how many bytes it has.
    out: (u64, usize),
}

impl Case {
    fn new(ptx: &str, capability: u32, grid: [u32; 3], out_bytes: usize) -> Self {
        let fact = |name: &str| -> u32 {
            let (_, rest) = ptx.split_once(name).expect("the first line says it");
            rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).expect("a number")
        };
        let module = Module::load(ptx).unwrap_or_else(|error| panic!("{}", error.to_plain()));
        let entry = module.kernel_names().next().expect("an entry").to_owned();
        let mut memory = GlobalMemory::default();
        let out = (memory.allocate("out", out_bytes as u64).expect("memory"), out_bytes);
        let config = LaunchConfig {
            grid,
            block: [fact("threads="), 1, 1],
            shared: fact("shared="),
            capability,
            ..LaunchConfig::default()
        };
        Self { module, entry, config, memory, out }
    }

    fn input(&mut self, bytes: &[u8]) -> u64 {
        let address = self.memory.allocate("input", bytes.len() as u64).expect("memory");
        assert!(self.memory.write(address, bytes));
        address
    }

    /// Gives the parameters; the trailing ones are Triton's scratch, which these kernels do not use.
    fn arguments(mut self, arguments: &[&[u8]]) -> Self {
        let kernel = self.module.kernel(&self.entry).expect("the entry");
        let mut parameters: Vec<Vec<u8>> = arguments.iter().map(|bytes| bytes.to_vec()).collect();
        let sizes: Vec<usize> = kernel.declaration.params.iter().map(|param| param.size() as usize).collect();
        parameters.extend(sizes[parameters.len()..].iter().map(|&size| vec![0; size]));
        self.config.parameters = parameters;
        self
    }

    fn with(mut self, arithmetic: Arithmetic) -> Self {
        self.config.arithmetic = arithmetic;
        self
    }

    fn observing(mut self, observe: Option<Observe>) -> Self {
        self.config.observe = observe;
        self
    }

    /// Launches; warp instructions.
    fn run(&self) -> u64 {
        let kernel = self.module.kernel(&self.entry).expect("the entry");
        let launched = launch(&self.module, kernel, &self.config, &self.memory, &AtomicBool::new(false), &|_| {});
        launched.unwrap_or_else(|fault| panic!("{fault:?}")).warp_instructions
    }

    fn result(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.out.1];
        assert!(self.memory.read(self.out.0, &mut bytes));
        bytes
    }
}

/// Numbers between -1 and 1, the same in every run.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn halves(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect()
}

fn singles(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// f16 matmul of two square matrices, tiles of 128 × 128 × 64: for sm_80 by pointers, for sm_90 by tensor maps.
fn matmul(capability: u32, size: u32, arithmetic: Arithmetic) -> Case {
    let extent = size as usize;
    let grid = [size / 128, size / 128, 1];
    let (a, b) = (numbers(extent * extent, 1), numbers(extent * extent, 2));
    let ptx = if capability < 90 { include_str!("ptx/matmul_sm80.ptx") } else { include_str!("ptx/matmul_sm90.ptx") };
    let mut case = Case::new(ptx, capability, grid, extent * extent * 2).with(arithmetic);
    let (a_at, b_at) = (case.input(&halves(&a)), case.input(&halves(&b)));
    let out = case.out.0;
    let case = if capability < 90 {
        let pointers = [a_at, b_at, out].map(u64::to_le_bytes);
        case.arguments(&[&pointers[0], &pointers[1], &pointers[2], &size.to_le_bytes(), &size.to_le_bytes()])
    } else {
        let maps = [map(a_at, size, [64, 128]), map(b_at, size, [64, 64]), map(out, size, [64, 128])];
        // After a map: the tensor's extents and strides.
        let (extent, stride, one) = (size.to_le_bytes(), u64::from(size).to_le_bytes(), 1u64.to_le_bytes());
        let mut arguments: Vec<&[u8]> = Vec::new();
        for map in &maps {
            arguments.extend([&map[..], &extent, &extent, &stride, &one]);
        }
        arguments.push(&extent);
        case.arguments(&arguments)
    };
    case.run();
    let result = case.result();
    for index in (0..extent * extent).step_by(extent * 7 + 13) {
        let (row, column) = (index / extent, index % extent);
        let half = |value: f32| f64::from(f16::from_f32(value));
        let expected: f64 = (0..extent).map(|k| half(a[row * extent + k]) * half(b[k * extent + column])).sum();
        let found = f64::from(f16::from_le_bytes([result[2 * index], result[2 * index + 1]]));
        assert!((found - expected).abs() <= 2e-3 * expected.abs() + 1e-2, "[{row}, {column}]: {found}, not {expected}");
    }
    case
}

/// A square f16 matrix whose boxes have so many columns and rows.
fn map(address: u64, size: u32, tile: [u32; 2]) -> [u8; 128] {
    let map = TensorMap {
        element: TensorMapType::F16,
        address,
        dims: vec![size.into(); 2],
        strides: vec![u64::from(size) * 2],
        tile: tile.to_vec(),
        element_strides: vec![1; 2],
        interleave: Interleave::None,
        swizzle: TensorMapSwizzle::B128,
        l2_promotion: 2,
        fill_nan: false,
    };
    map.encode()
}

fn add(count: u32) -> Case {
    let (x, y) = (numbers(count as usize, 3), numbers(count as usize, 4));
    let mut case = Case::new(include_str!("ptx/add.ptx"), 80, [count.div_ceil(1024), 1, 1], count as usize * 4);
    let pointers = [case.input(&singles(&x)), case.input(&singles(&y)), case.out.0].map(u64::to_le_bytes);
    let case = case.arguments(&[&pointers[0], &pointers[1], &pointers[2], &count.to_le_bytes()]);
    case.run();
    let sums: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
    assert!(case.result() == singles(&sums), "the sums");
    case
}

fn softmax(rows: u32, columns: u32) -> Case {
    let x = numbers((rows * columns) as usize, 5);
    let mut case = Case::new(include_str!("ptx/softmax.ptx"), 80, [rows, 1, 1], x.len() * 4);
    let pointers = [case.input(&singles(&x)), case.out.0].map(u64::to_le_bytes);
    let case = case.arguments(&[&pointers[0], &pointers[1], &columns.to_le_bytes()]);
    case.run();
    let result = case.result();
    let result: Vec<f32> = result.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let sum: f64 = x[..columns as usize].iter().map(|&x| f64::from(x).exp()).sum();
    let expected = f64::from(x[7]).exp() / sum;
    assert!((f64::from(result[7]) / expected - 1.0).abs() < 1e-5, "{}, not {expected}", result[7]);
    case
}

/// One head of 64, as many keys as queries.
fn attention(capability: u32, length: u32, arithmetic: Arithmetic) -> Case {
    let values: [Vec<f32>; 3] = [6, 7, 8].map(|seed| numbers(length as usize * 64, seed));
    let ptx =
        if capability < 90 { include_str!("ptx/attention_sm80.ptx") } else { include_str!("ptx/attention_sm90.ptx") };
    let mut case = Case::new(ptx, capability, [length / 128, 1, 1], length as usize * 128).with(arithmetic);
    let [q, k, v] = values.each_ref().map(|values| case.input(&halves(values)));
    let pointers = [q, k, v, case.out.0].map(u64::to_le_bytes);
    let [q, k, v, out] = pointers.each_ref().map(|pointer| &pointer[..]);
    let case = case.arguments(&[q, k, v, out, &length.to_le_bytes(), &0.125f32.to_le_bytes()]);
    case.run();
    let result = case.result();
    let half = |values: &[f32], index: usize| f64::from(f16::from_f32(values[index]));
    let score = |key: usize| -> f64 { (0..64).map(|d| half(&values[0], d) * half(&values[1], key * 64 + d)).sum() };
    let weights: Vec<f64> = (0..length as usize).map(|key| (score(key) * 0.125).exp()).collect();
    let expected = weights.iter().enumerate().map(|(key, weight)| weight * half(&values[2], key * 64)).sum::<f64>()
        / weights.iter().sum::<f64>();
    let found = f64::from(f16::from_le_bytes([result[0], result[1]]));
    assert!((found - expected).abs() < 2e-3, "{found}, not {expected}");
    case
}

/// Runs one benchmark, unless the command line asks for others. Processor time is said beside: it is what a launch costs on
/// a machine that others use too.
fn bench(criterion: &mut Criterion, group: &str, name: impl std::fmt::Display, make: impl Fn() -> Case) {
    let full = format!("{group}/{name}");
    let mut filters = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    if filters.peek().is_some() && !filters.any(|filter| full.contains(&filter)) {
        return;
    }
    let case = make();
    let mut group = criterion.benchmark_group(group);
    let before = processor_time();
    let instructions = case.run();
    let spent = processor_time() - before;
    group.throughput(Throughput::Elements(instructions)).sample_size(10);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.bench_function(BenchmarkId::from_parameter(&name), |bencher| bencher.iter(|| black_box(case.run())));
    group.finish();
    let each = spent.as_nanos() as f64 / instructions as f64;
    println!("{full}: {instructions} warp instructions, {spent:.0?} of processor time, {each:.0} ns each");
}

/// What all threads of this process have used, user and system: fields 14 and 15 of proc(5)'s `stat`, in hundredths of a
/// second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

fn kernels(criterion: &mut Criterion) {
    for capability in [80, 90] {
        for arithmetic in [Arithmetic::Exact, Arithmetic::Fast] {
            let name = format!("sm_{capability} {arithmetic:?}");
            bench(criterion, "f16 matmul 1024³", &name, || matmul(capability, 1024, arithmetic));
            bench(criterion, "attention 1024 × 64", &name, || attention(capability, 1024, arithmetic));
        }
    }
    bench(criterion, "add of f32", "2^24", || add(1 << 24));
    bench(criterion, "softmax of f32", "4096 × 4096", || softmax(4096, 4096));
}

/// The same launches without counters and with them.
fn counters(criterion: &mut Criterion) {
    for (name, observe) in [("no", None), ("counters", Some(Observe::Counters { in_order: false }))] {
        let counted = |case: Case| case.observing(observe.clone());
        bench(criterion, "f16 matmul 1024³ for sm_80 with", name, || counted(matmul(80, 1024, Arithmetic::Exact)));
        bench(criterion, "f16 matmul 1024³ for sm_90 with", name, || counted(matmul(90, 1024, Arithmetic::Exact)));
        bench(criterion, "attention 1024 × 64 for sm_80 with", name, || {
            counted(attention(80, 1024, Arithmetic::Exact))
        });
        bench(criterion, "add of f32 2^24 with", name, || counted(add(1 << 24)));
        bench(criterion, "softmax of f32 4096 × 4096 with", name, || counted(softmax(4096, 4096)));
    }
}

fn sizes(criterion: &mut Criterion) {
    for size in [256, 512, 1024, 2048] {
        bench(criterion, "f16 matmul, sm_80", format!("{size}³"), || matmul(80, size, Arithmetic::Exact));
    }
}

/// The launch takes as many threads as the process may use cores.
fn cores(criterion: &mut Criterion) {
    let every = rustix::thread::sched_getaffinity(None).expect("the cores of this process");
    let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|&core| every.is_set(core)).expect("a core");
    let mut one = rustix::thread::CpuSet::new();
    one.set(first);
    for (name, set) in [("1", &one), ("all", &every)] {
        rustix::thread::sched_setaffinity(None, set).expect("a core of this process's");
        bench(criterion, "f16 matmul 1024³ on cores", name, || matmul(80, 1024, Arithmetic::Exact));
    }
}

fn machine(_: &mut Criterion) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or(" unknown");
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("\t: unknown");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let unit = warpbook_emulator::arithmetic::simd::level();
    println!("peak of memory:{peak}; {cores} cores{}, vectors: {unit}", model.trim_start_matches('\t'));
}

criterion_group!(benches, kernels, counters, sizes, cores, machine);
criterion_main!(benches);
