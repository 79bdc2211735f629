//! Options of the header that are not the compiler's: facts about a launch that no text carries, and how often.

use std::time::Duration;

use crate::expression::{HeaderOption, LaunchHeader};
use crate::launch::run::Checks;
use crate::magics::OptionSpec;
use crate::magics::settings::place::ON;
use warpbook_compiler::meta::inherit;
use warpbook_compiler::{LaunchMeta, Origin, PassEdits, Scratch, Sourced, Stage, Target};
use warpbook_device::TimingPlan;
use warpbook_diagnostic::{Diagnostic, Result};

/// Options that take no value.
pub const SWITCHES: [&str; 4] = ["--compile", "--warm", "--check", "--contract"];

/// Options of every stage magic.
pub const STAGE_OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "--bench",
        value: "[N]",
        help: "measure N more launches (as many as 100 ms hold, 20 on the emulator) and plot the latency",
    },
    OptionSpec {
        name: "--compile",
        value: "",
        help: "compile down to the cubin and show what it takes, without launching",
    },
    OptionSpec { name: "--target", value: "ARCH", help: "compile this cell for another architecture" },
    OptionSpec { name: "--triton", value: "VERSION", help: "compile this cell with another Triton" },
    OptionSpec { name: "--shared", value: "BYTES", help: "dynamic shared memory, where the text does not say it" },
    OptionSpec { name: "--threads", value: "N", help: "threads per block, where the text does not say it" },
    OptionSpec { name: "--scratch", value: "SIZE/ALIGN", help: "global scratch per block, in bytes" },
    OptionSpec { name: "--timeout", value: "SECONDS", help: "end the launch, with an error, after this time" },
    OptionSpec { name: "--warm", value: "", help: "with `--bench`: do not flush the L2 cache before each launch" },
    OptionSpec {
        name: "--check",
        value: "",
        help: "on the emulator: data races, missing waits and fences, misused barriers, values that nothing has written",
    },
    OptionSpec { name: "--seed", value: "N", help: "on the emulator: another order of warps and of copies that land" },
    OptionSpec {
        name: "--contract",
        value: "",
        help: "on the emulator: contract the multiplications and additions that ptxas does, read from the cubin",
    },
    ON,
];

/// Options of the stages that passes run on.
const SKIP: OptionSpec = OptionSpec {
    name: "--skip",
    value: "PASS",
    help: "leave a pass out, as `%passes` names it; several are apart by commas",
};
const UNTIL: OptionSpec =
    OptionSpec { name: "--until", value: "PASS", help: "leave the passes after this one of its stage out" };
const AFTER: OptionSpec = OptionSpec {
    name: "--after",
    value: "PASS",
    help: "the text is what this pass left: the rest of its stage goes on from there (`%passes --edit PASS`)",
};

/// Options of `%%ttir` and `%%ttgir`.
pub const MLIR_OPTIONS: &[OptionSpec] = &{
    let mut options = [AFTER; STAGE_OPTIONS.len() + 3];
    let mut index = 0;
    while index < STAGE_OPTIONS.len() {
        options[index] = STAGE_OPTIONS[index];
        index += 1;
    }
    options[index] = SKIP;
    options[index + 1] = UNTIL;
    options
};

/// Options of `%%cubin`.
pub const CUBIN_OPTIONS: &[OptionSpec] = &[
    STAGE_OPTIONS[0],
    STAGE_OPTIONS[1],
    OptionSpec { name: "--file", value: "PATH", help: "read the cubin from a file; the cell has no body then" },
    STAGE_OPTIONS[4],
    STAGE_OPTIONS[5],
    STAGE_OPTIONS[6],
    STAGE_OPTIONS[7],
    STAGE_OPTIONS[8],
    STAGE_OPTIONS[9],
    STAGE_OPTIONS[10],
    ON,
];

/// Options of `%%triton` and `%%gluon` besides.
pub const PYTHON_OPTIONS: &[OptionSpec] = &[
    STAGE_OPTIONS[0],
    STAGE_OPTIONS[1],
    STAGE_OPTIONS[2],
    STAGE_OPTIONS[3],
    OptionSpec {
        name: "--from",
        value: "MODULE:FUNCTION",
        help: "take the kernel from an installed package, or from FILE.py:FUNCTION",
    },
    OptionSpec { name: "--config", value: "I", help: "which of the autotuner's configurations to take" },
    SKIP,
    UNTIL,
    STAGE_OPTIONS[7],
    STAGE_OPTIONS[8],
    STAGE_OPTIONS[11],
    ON,
    STAGE_OPTIONS[9],
    STAGE_OPTIONS[10],
];

/// Options of `%launch`.
pub const LAUNCH_OPTIONS: &[OptionSpec] = &[
    STAGE_OPTIONS[0],
    OptionSpec { name: "--version", value: "N", help: "launch this version of the kernel rather than the newest" },
    STAGE_OPTIONS[4],
    STAGE_OPTIONS[5],
    STAGE_OPTIONS[6],
    STAGE_OPTIONS[7],
    STAGE_OPTIONS[8],
    ON,
    STAGE_OPTIONS[9],
    STAGE_OPTIONS[10],
];

/// What is changed of the compiler's own passes.
pub fn passes(header: &LaunchHeader) -> PassEdits {
    let value = |name: &str| header.option(name).and_then(|option| option.value.clone());
    let skip = value("--skip").unwrap_or_default();
    PassEdits {
        skip: skip.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        until: value("--until"),
        after: value("--after"),
    }
}

/// The number that an option holds.
pub fn number<T: std::str::FromStr>(option: &HeaderOption, expected: &str) -> Result<T> {
    let text = option.value.as_deref().unwrap_or_default();
    text.replace('_', "").parse().map_err(|_| wrong(option, expected))
}

fn wrong(option: &HeaderOption, expected: &str) -> Diagnostic {
    let message = format!("`{}` takes {expected}", option.name);
    Diagnostic::error("option-value", message).at(option.value_span.clone(), "")
}

/// How `--bench` and `--warm` want the launch to be timed.
pub fn timing(header: &LaunchHeader) -> Result<Option<TimingPlan>> {
    let Some(option) = header.option("--bench") else {
        return match header.option("--warm") {
            Some(warm) => {
                let error = Diagnostic::error("option-value", "`--warm` says how to measure, and nothing is measured");
                Err(error.at(warm.span.clone(), "").help("`--bench --warm`"))
            }
            None => Ok(None),
        };
    };
    let samples = match option.value {
        None => None,
        Some(_) => match number(option, "a number of launches from 1 to 100000")? {
            count @ 1..=100_000 => Some(count),
            _ => return Err(wrong(option, "a number of launches from 1 to 100000")),
        },
    };
    Ok(Some(TimingPlan { samples, flush: header.option("--warm").is_none(), graph: true, warm: false }))
}

/// How the emulator runs a launch.
pub fn checks(header: &LaunchHeader) -> Result<Checks<'static>> {
    let seed = header.option("--seed").map_or(Ok(0), |option| number(option, "a number: the seed"))?;
    Ok(Checks { check: header.option("--check").is_some(), seed, observe: None, contracted: None })
}

/// How long a launch may take.
pub fn timeout(header: &LaunchHeader) -> Result<Option<Duration>> {
    let Some(option) = header.option("--timeout") else { return Ok(None) };
    let expected = "a number of seconds, such as 2 or 0.5";
    let seconds: f64 = number(option, expected)?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(limit) if !limit.is_zero() && seconds < 1e6 => Ok(Some(limit)),
        _ => Err(wrong(option, expected)),
    }
}

/// The target of `--target`.
pub fn target(header: &LaunchHeader) -> Result<Option<Target>> {
    let Some(option) = header.option("--target") else { return Ok(None) };
    let text = option.value.as_deref().unwrap_or_default();
    match crate::magics::settings::parse_target(text) {
        Ok(target) => Ok(Some(target)),
        Err(error) => Err(error.at(option.value_span.clone(), "")),
    }
}

/// Fills what the text did not say: from the header's options first, then from the version that was edited.
pub fn complete(
    meta: &mut LaunchMeta,
    header: &LaunchHeader,
    parent: Option<&crate::workspace::Version>,
    entered: Stage,
) -> Result<()> {
    if let Some(parent) = parent.filter(|_| entered >= Stage::Llir) {
        inherit(meta, &parent.meta, parent.number);
    }
    if let Some(option) = header.option("--shared") {
        meta.shared = Sourced::new(number(option, "a number of bytes")?, Origin::Option("--shared".into()));
    }
    if let Some(option) = header.option("--threads") {
        meta.threads = Sourced::new(number(option, "a number of threads")?, Origin::Option("--threads".into()));
    }
    if let Some(option) = header.option("--scratch") {
        let text = option.value.as_deref().unwrap_or_default();
        let parsed = text.split_once('/').and_then(|(size, align)| Some((size.parse().ok()?, align.parse().ok()?)));
        let Some((size, align)) = parsed.filter(|(_, align): &(u64, u64)| align.is_power_of_two()) else {
            return Err(wrong(option, "SIZE/ALIGN in bytes, such as 256/128"));
        };
        meta.global_scratch = Sourced::new(Scratch { size, align }, Origin::Option("--scratch".into()));
    }
    Ok(())
}
