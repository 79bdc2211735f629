//! Options of cells that compile and launch: facts about a launch that no text carries, how it is measured, and what the
//! emulator checks.

use crate::launch::plan::{Emulation, How};
use crate::magics::declare::kinds::{
    FilePath, List, Maybe, Number, Placed, Seconds, Switch, TargetName, Text, TritonVersion, VersionNumber,
};
use crate::magics::declare::{Argument, Declared, Input, Takes, Typed};
use crate::magics::settings::place::ON;
use warpbook_compiler::meta::inherit;
use warpbook_compiler::{LaunchMeta, Origin, PassEdits, Scratch, Sourced, Stage};
use warpbook_device::TimingPlan;
use warpbook_diagnostic::{Diagnostic, Result};

pub const BENCH: Argument<Maybe<Number<u32>>> = Argument::option(
    "--bench",
    Maybe(Number::new("N", "a number of launches").between(1, 100_000)),
    "measure N more launches (by default as many as 100 ms hold, 20 on the emulator) and plot the latency",
);
pub const COMPILE: Argument<Switch> =
    Argument::option("--compile", Switch, "compile down to the cubin and show its resources, without launching");
pub const TARGET: Argument<TargetName> =
    Argument::option("--target", TargetName, "compile this cell for another architecture");
pub const TRITON: Argument<TritonVersion> =
    Argument::option("--triton", TritonVersion, "compile this cell with another Triton");
pub const SHARED: Argument<Number<u32>> = Argument::option(
    "--shared",
    Number::new("BYTES", "a number of bytes"),
    "dynamic shared memory, where the text does not state it",
);
pub const THREADS: Argument<Number<u32>> = Argument::option(
    "--threads",
    Number::new("N", "a number of threads"),
    "threads per block, where the text does not state it",
);
pub const BLOCK: Argument<BlockShape> =
    Argument::option("--block", BlockShape, "threads per block along each axis, where the text does not state them");
pub const SCRATCH: Argument<ScratchSize> =
    Argument::option("--scratch", ScratchSize, "global scratch per block, and its alignment, in bytes");
pub const PROFILE_SCRATCH: Argument<ScratchSize> =
    Argument::option("--profile-scratch", ScratchSize, "profile scratch per block, and its alignment, in bytes");
pub const TIMEOUT: Argument<Seconds> =
    Argument::option("--timeout", Seconds, "end the launch, with an error, after this time");
pub const WARM: Argument<Switch> =
    Argument::option("--warm", Switch, "with `--bench`: do not flush the L2 cache before each launch");
pub const CHECK: Argument<Switch> = Argument::option(
    "--check",
    Switch,
    "on the emulator: data races, missing waits and fences, misused barriers, values that nothing has written",
);
pub const SEED: Argument<Number<u64>> = Argument::option(
    "--seed",
    Number::new("N", "a number: the seed"),
    "on the emulator: another order of warps and of copies that land",
);
pub const CONTRACT: Argument<Switch> = Argument::option(
    "--contract",
    Switch,
    "on the emulator: contract the multiplications and additions that ptxas contracts, read from the cubin",
);
const PASS: Text = Text::new("PASS", "the name of a pass, as `%passes` shows it");
pub const SKIP: Argument<List<Text>> =
    Argument::option("--skip", List::new("PASS,…", PASS), "leave a pass out; with commas between several");
pub const UNTIL: Argument<Text> = Argument::option("--until", PASS, "leave out the passes after this one of its stage");
pub const AFTER: Argument<Text> = Argument::option(
    "--after",
    PASS,
    "the text is the output of this pass: the rest of its stage goes on from there (`%passes --edit PASS`)",
);
pub const FILE: Argument<FilePath> = Argument::option(
    "--file",
    FilePath { placeholder: "PATH", expected: "a file", extensions: &["cubin"] },
    "read the cubin from a file; the cell has no body then",
);
pub const FROM: Argument<Text> = Argument::option(
    "--from",
    Text::new("MODULE:FUNCTION", "MODULE:FUNCTION or FILE.py:FUNCTION"),
    "take the kernel from an installed package, or from FILE.py:FUNCTION",
);
pub const CONFIG: Argument<Number<usize>> = Argument::option(
    "--config",
    Number::new("I", "the number of a configuration"),
    "the autotuner's configuration to take, by its number",
);
pub const VERSION: Argument<VersionNumber> = Argument::option(
    "--version",
    VersionNumber,
    "this version of the kernel rather than the newest; same as `KERNEL@N`",
);

/// The options of every stage magic, with others before and after them.
macro_rules! with_stage_options {
    ([$($before:expr),*], [$($after:expr),*]) => {
        &[
            $($before,)*
            &BENCH,
            &COMPILE,
            &TARGET,
            &TRITON,
            &SHARED,
            &THREADS,
            &BLOCK,
            &SCRATCH,
            &PROFILE_SCRATCH,
            &TIMEOUT,
            &WARM,
            &CHECK,
            &SEED,
            &CONTRACT,
            &ON,
            $($after,)*
        ]
    };
}

/// Options of `%%llir` and `%%ptx`.
pub const STAGE_OPTIONS: &[&dyn Declared] = with_stage_options!([], []);

/// Options of `%%ttir` and `%%ttgir`, the stages that passes run on.
pub const MLIR_OPTIONS: &[&dyn Declared] = with_stage_options!([], [&SKIP, &UNTIL, &AFTER]);

/// Options of `%%cubin`.
pub const CUBIN_OPTIONS: &[&dyn Declared] = &[
    &BENCH,
    &COMPILE,
    &FILE,
    &SHARED,
    &THREADS,
    &BLOCK,
    &SCRATCH,
    &PROFILE_SCRATCH,
    &TIMEOUT,
    &WARM,
    &CHECK,
    &SEED,
    &CONTRACT,
    &ON,
];

/// Options of `%%triton` and `%%gluon`.
pub const PYTHON_OPTIONS: &[&dyn Declared] = &[
    &BENCH, &COMPILE, &TARGET, &TRITON, &FROM, &CONFIG, &SKIP, &UNTIL, &TIMEOUT, &WARM, &CHECK, &SEED, &CONTRACT, &ON,
];

/// Options of `%%patch`: those of any stage. The stage's own magic refuses what it does not have.
pub const PATCH_OPTIONS: &[&dyn Declared] = with_stage_options!([&VERSION], [&CONFIG, &SKIP, &UNTIL, &AFTER]);

/// Options of `%launch`.
pub const LAUNCH_OPTIONS: &[&dyn Declared] =
    &[&BENCH, &VERSION, &SHARED, &THREADS, &BLOCK, &SCRATCH, &PROFILE_SCRATCH, &TIMEOUT, &WARM, &CHECK, &SEED, &ON];

/// Threads of a block along one to three axes: `16,16`.
#[derive(Clone, Copy, Debug)]
pub struct BlockShape;

impl Takes for BlockShape {
    type Value = [u32; 3];

    fn placeholder(&self) -> String {
        "X,Y,Z".to_owned()
    }

    fn expected(&self) -> String {
        "one to three extents, such as 16,16, of 1 to 1024 threads together".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<[u32; 3]> {
        let mut block = [1; 3];
        let parts: Vec<&str> = input.text.split(',').collect();
        let extents: Option<Vec<u32>> = parts.iter().map(|part| part.trim().parse().ok()).collect();
        let extents = extents.filter(|extents| extents.len() <= 3).ok_or_else(|| input.refuse(&self.expected()))?;
        block[..extents.len()].copy_from_slice(&extents);
        let threads = block.iter().try_fold(1u32, |all, &extent| all.checked_mul(extent));
        match threads {
            Some(1..=1024) => Ok(block),
            _ => Err(input.refuse(&self.expected())),
        }
    }
}

/// A size and an alignment in bytes: `256/128`.
#[derive(Clone, Copy, Debug)]
pub struct ScratchSize;

impl Takes for ScratchSize {
    type Value = Scratch;

    fn placeholder(&self) -> String {
        "SIZE/ALIGN".to_owned()
    }

    fn expected(&self) -> String {
        "SIZE/ALIGN in bytes, such as 256/128".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Scratch> {
        let parsed = input.text.split_once('/');
        let parsed =
            parsed.and_then(|(size, align)| Some(Scratch { size: size.parse().ok()?, align: align.parse().ok()? }));
        let scratch = parsed.filter(|scratch| scratch.align.is_power_of_two());
        scratch.ok_or_else(|| input.refuse(&self.expected()))
    }
}

/// What is changed of the compiler's own passes, by a cell of a stage that passes run on.
pub fn passes(typed: &Typed<'_>, stage: Stage) -> PassEdits {
    let name = |placed: &Placed<String>| placed.value.clone();
    if stage > Stage::Ttgir {
        return PassEdits::default();
    }
    let skip = typed.get(&SKIP).into_iter().flatten().map(|placed| name(&placed.value));
    PassEdits {
        skip: skip.filter(|name| !name.is_empty()).collect(),
        until: typed.get(&UNTIL).map(name),
        after: if stage.is_python() { None } else { typed.get(&AFTER).map(name) },
    }
}

/// How `--bench` and `--warm` want the launch to be timed.
fn timing(typed: &Typed<'_>) -> Result<Option<TimingPlan>> {
    match (typed.get(&BENCH), typed.has(&WARM)) {
        (Some(samples), warm) => Ok(Some(TimingPlan { samples: *samples, flush: !warm, graph: true, warm: false })),
        (None, false) => Ok(None),
        (None, true) => {
            let error = Diagnostic::error("option-value", "`--warm` needs `--bench`: nothing is measured here");
            Err(error.at(typed.place(&WARM), "").help("`--bench --warm`"))
        }
    }
}

/// The settings of a launch, from the options.
pub fn how(typed: &Typed<'_>) -> Result<How> {
    let seed = typed.get(&SEED).copied().unwrap_or_default();
    let emulation = Emulation { check: typed.has(&CHECK), seed, observe: None };
    Ok(How { timing: timing(typed)?, timeout: typed.get(&TIMEOUT).copied(), emulation })
}

/// Fills what the text did not say: from the options first, then from the version that was edited.
pub fn complete(meta: &mut LaunchMeta, typed: &Typed<'_>, parent: Option<&crate::workspace::Version>, entered: Stage) {
    if let Some(parent) = parent.filter(|_| entered >= Stage::Llir) {
        inherit(meta, &parent.meta, parent.number);
    }
    if let Some(bytes) = typed.get(&SHARED) {
        meta.shared = Sourced::new(*bytes, Origin::Option(SHARED.name.into()));
    }
    if let Some(threads) = typed.get(&THREADS) {
        meta.threads = Sourced::new(*threads, Origin::Option(THREADS.name.into()));
        meta.block = None;
    }
    if let Some(block) = typed.get(&BLOCK) {
        meta.threads = Sourced::new(block.iter().product(), Origin::Option(BLOCK.name.into()));
        meta.block = (block[1] != 1 || block[2] != 1).then_some(*block);
    }
    if let Some(scratch) = typed.get(&SCRATCH) {
        meta.global_scratch = Sourced::new(*scratch, Origin::Option(SCRATCH.name.into()));
    }
    if let Some(scratch) = typed.get(&PROFILE_SCRATCH) {
        meta.profile_scratch = Sourced::new(*scratch, Origin::Option(PROFILE_SCRATCH.name.into()));
    }
}
