//! Looks into a compilation: its passes one at a time, the pass that broke it, machine code as text.

use std::time::Duration;

use super::failure::{self, CRASHED, Failure, SILENT};
use super::pipeline::not_understood;
use super::worker::protocol::{BeforePass, Outcome, PassRecord, RecordedPasses, Task, TaskResult};
use super::{BrokenPass, CompileRequest, Compiler, Progress, Stage};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;

/// One pass that ran, or that was left out.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The stage that it is of.
    pub stage: Stage,
    /// `ttgpuir.coalesce`
    pub name: String,
    /// Which one of that name, from 1, over all stages.
    pub count: usize,
    /// Options of the pass as text: `num-stages=3`.
    pub arguments: Vec<String>,
    /// Time that the pass took.
    pub elapsed: Duration,
    /// Why the pass was left out; `None` if it ran.
    pub skipped: Option<String>,
    /// The module after it, where it changed it.
    pub text: Option<String>,
    /// The compiler's error, if the pass failed.
    pub failed: Option<String>,
}

impl Pass {
    /// A pass as the worker recorded it; `None` if its time is malformed.
    fn new(record: PassRecord) -> Option<Self> {
        let PassRecord { stage, name, count, arguments, seconds, skipped, text, failed, before: _ } = record;
        let elapsed = Duration::try_from_secs_f64(seconds).ok()?;
        Some(Self { stage, name, count, arguments, elapsed, skipped, text, failed })
    }

    /// The name that selects this pass alone: `common.cse#2`; the first one needs no number.
    pub fn label(&self) -> String {
        if self.count == 1 { self.name.clone() } else { format!("{}#{}", self.name, self.count) }
    }
}

/// All passes of a compilation.
#[derive(Clone, Debug)]
pub struct Passes {
    /// The module before the first one.
    pub start: String,
    /// The passes in the order in which they ran.
    pub passes: Vec<Pass>,
    /// Further text that the compiler wrote to its log.
    pub log: String,
}

impl Compiler {
    /// The pass that broke a compilation last.
    pub fn broken_pass(&self) -> Option<&BrokenPass> {
        self.broken.as_ref()
    }

    /// Finds the pass in which a compilation failed, by recording each pass, and adds its name to the failure. A
    /// failure outside of the passes stays as it is.
    pub(super) fn locate(
        &mut self,
        request: &CompileRequest,
        failure: &mut Failure,
        cancel: &Cancel,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<()> {
        let (done, _) = self.run_task(&request.triton, &Task::record_passes(request), cancel, progress)?;
        let before: Option<BeforePass> = match done.outcome {
            Outcome::Result(TaskResult::Compile(result)) => {
                let records = result.recorded.map_or_else(Vec::new, |recorded| recorded.passes);
                records.into_iter().rev().find(|record| record.failed.is_some()).and_then(|record| record.before)
            }
            Outcome::Crashed(crash) => crash.before,
            Outcome::Result(TaskResult::Disassemble { .. }) | Outcome::Error(_) => None,
        };
        let Some(mut broken) = before.and_then(|before| BrokenPass::new(before, request)) else {
            return Ok(());
        };
        let diagnostic = &mut failure.diagnostic;
        if diagnostic.message.starts_with(SILENT) {
            diagnostic.message = format!("the pass {} failed, and did not say why", broken.name);
        } else if diagnostic.message == CRASHED {
            diagnostic.message = format!("the pass {} crashed", broken.name);
        }
        broken.message.clone_from(&diagnostic.message);
        diagnostic.notes.insert(0, format!("in the pass {} of the stage {}", broken.name, broken.stage));
        diagnostic.help.push("`%passes --failed` shows the IR before it, and a reproducer".to_owned());
        self.broken = Some(broken);
        Ok(())
    }

    /// A cubin's machine code as the `nvdisasm` of a version of Triton lists it: encodings, and the PTX line of each
    /// instruction. [`warpbook_ir::sass`] reads it.
    pub fn disassemble(
        &mut self,
        cubin: &[u8],
        triton: &str,
        cancel: &Cancel,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<String> {
        let (done, _) = self.run_task(triton, &Task::disassemble(cubin), cancel, progress)?;
        match done.outcome {
            Outcome::Result(TaskResult::Disassemble { text }) => Ok(text),
            Outcome::Result(TaskResult::Compile(_)) => Err(not_understood("it compiled instead of listing the code")),
            Outcome::Crashed(crash) => Err(Diagnostic::error("disassembler", crash.status)),
            Outcome::Error(report) => {
                let error = Diagnostic::error("disassembler", report.message);
                Err(report.notes.into_iter().fold(error, Diagnostic::note))
            }
        }
    }

    /// The type of a value in a text of TTIR or TTGIR, as MLIR writes it without aliases. The text of `request` is to
    /// use the value as an `i7`: the parser says what it is instead.
    pub fn value_type(
        &mut self,
        request: &CompileRequest,
        cancel: &Cancel,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<String, Failure> {
        let (done, _) = self.run_task(&request.triton, &Task::compile(request), cancel, progress)?;
        let said = done.log.split_once("expects different type than prior uses: 'i7' vs '");
        match said.and_then(|(_, rest)| rest.lines().next()?.strip_suffix('\'')) {
            Some(ty) => Ok(ty.to_owned()),
            None => Err(failure::failure(&done, request)),
        }
    }

    /// Compiles as far as LLVM IR and returns the module after each pass.
    pub fn passes(
        &mut self,
        request: &CompileRequest,
        cancel: &Cancel,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Passes, Failure> {
        let mut last = String::new();
        let mut listen = |news: Progress<'_>| {
            if let Progress::Stage(stage) = news {
                stage.clone_into(&mut last);
            }
            progress(news);
        };
        let (mut done, _) = self.run_task(&request.triton, &Task::record_passes(request), cancel, &mut listen)?;
        if let Outcome::Result(TaskResult::Compile(result)) = &mut done.outcome
            && let Some(RecordedPasses { start, passes }) = result.recorded.take()
        {
            return Ok(Passes { start, passes: passes.into_iter().filter_map(Pass::new).collect(), log: done.log });
        }
        let mut failure = failure::failure(&done, request);
        // A pass that ends the process has no record: the last one that began is the one.
        if matches!(done.outcome, Outcome::Crashed(_)) && last.contains(": ") {
            failure.diagnostic.notes.insert(0, format!("it was in the pass {last}"));
        }
        Err(failure)
    }
}
