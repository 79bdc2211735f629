//! What is looked at besides compiling.

use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};

use super::failure::{self, CRASHED, Failure, SILENT};
use super::{CompileRequest, Compiler, Progress, Stage};
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
    /// What it was given.
    pub arguments: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
    /// Why it was left out.
    pub skipped: Option<String>,
    /// The module after it, where it changed it.
    pub text: Option<String>,
    /// What the compiler said, where it failed.
    pub failed: Option<String>,
}

impl Pass {
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
    /// In the order in which they ran.
    pub passes: Vec<Pass>,
    /// What the compiler wrote besides.
    pub log: String,
}

/// A pass that failed or ended the compiler's process, and what it was given.
#[derive(Clone, Debug)]
pub struct BrokenPass {
    /// The compilation that it broke.
    pub request: CompileRequest,
    /// The stage that it is of.
    pub stage: Stage,
    /// `ttgpuir.coalesce`
    pub name: String,
    /// The pass before it in its stage.
    pub previous: Option<String>,
    /// The module that its stage began with.
    pub start: String,
    /// The module that it was given.
    pub text: String,
    /// The same with its pipeline, as MLIR's own tools take it; where Triton wrote one.
    pub reproducer: Option<String>,
    /// What was said of it.
    pub said: String,
}

impl BrokenPass {
    fn of(before: &Value, request: &CompileRequest) -> Option<Self> {
        let text = |name: &str| before[name].as_str().map(str::to_owned);
        Some(Self {
            request: request.clone(),
            stage: before["stage"].as_str()?.parse().ok()?,
            name: text("pass")?,
            previous: text("previous"),
            start: text("start").unwrap_or_default(),
            text: text("text")?,
            reproducer: text("reproducer"),
            said: String::new(),
        })
    }
}

/// A compilation as far as LLVM IR that runs one pass at a time and keeps what each one made.
fn recorded(request: &CompileRequest) -> Value {
    let mut body = super::pipeline::encode(request);
    body["record"] = json!(true);
    body["until"] = json!(Stage::Llir.name());
    body
}

impl Compiler {
    /// The pass that broke a compilation last.
    pub fn broken_pass(&self) -> Option<&BrokenPass> {
        self.broken.as_ref()
    }

    /// Finds the pass that a compilation failed in, by running one at a time, and says so in the failure. A failure
    /// outside of the passes stays as it is.
    pub(super) fn locate(
        &mut self,
        request: &CompileRequest,
        failure: &mut Failure,
        cancel: &Cancel,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<()> {
        let (answer, _) = self.answer(&request.triton, &recorded(request), cancel, progress)?;
        let records = answer["result"]["passes"].as_array().into_iter().flatten();
        let failed = records.filter(|record| record["failed"].is_string()).map(|record| &record["before"]).next_back();
        let Some(mut broken) = BrokenPass::of(failed.unwrap_or(&answer["before"]), request) else {
            return Ok(());
        };
        let diagnostic = &mut failure.diagnostic;
        if diagnostic.message.starts_with(SILENT) {
            diagnostic.message = format!("the pass {} failed, and did not say why", broken.name);
        } else if diagnostic.message == CRASHED {
            diagnostic.message = format!("the pass {} crashed", broken.name);
        }
        broken.said.clone_from(&diagnostic.message);
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
        let encoded = base64::engine::general_purpose::STANDARD.encode(cubin);
        let body = json!({"task": "disassemble", "cubin": encoded});
        let (answer, _) = self.answer(triton, &body, cancel, progress)?;
        match answer["result"]["text"].as_str() {
            Some(text) => Ok(text.to_owned()),
            None => {
                let said = answer["error"]["message"].as_str().or(answer["crashed"].as_str()).unwrap_or("no answer");
                let error = Diagnostic::error("disassembler", said);
                let notes = answer["error"]["notes"].as_array().into_iter().flatten();
                Err(notes.filter_map(|note| note.as_str()).fold(error, Diagnostic::note))
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
        let (answer, _) = self.answer(&request.triton, &super::pipeline::encode(request), cancel, progress)?;
        let log = answer["log"].as_str().unwrap_or_default();
        let said = log.split_once("expects different type than prior uses: 'i7' vs '");
        match said.and_then(|(_, rest)| rest.lines().next()?.strip_suffix('\'')) {
            Some(ty) => Ok(ty.to_owned()),
            None => Err(failure::failure(&answer, request)),
        }
    }

    /// Compiles as far as LLVM IR, one pass at a time, and tells what each one made.
    pub fn passes(
        &mut self,
        request: &CompileRequest,
        cancel: &Cancel,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Passes, Failure> {
        let body = recorded(request);
        let mut last = String::new();
        let mut listen = |news: Progress<'_>| {
            if let Progress::Stage(stage) = news {
                stage.clone_into(&mut last);
            }
            progress(news);
        };
        let (answer, _) = self.answer(&request.triton, &body, cancel, &mut listen)?;
        let Some(records) = answer["result"]["passes"].as_array() else {
            let mut failure = failure::failure(&answer, request);
            // A pass that ends the process has no record: the last one that began is the one.
            if answer.get("crashed").is_some() && last.contains(": ") {
                failure.diagnostic.notes.insert(0, format!("it was in the pass {last}"));
            }
            return Err(failure);
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let pass = |record: &Value| {
            Some(Pass {
                stage: record["stage"].as_str()?.parse().ok()?,
                name: text(&record["name"])?,
                count: usize::try_from(record["count"].as_u64()?).ok()?,
                arguments: record["arguments"].as_array()?.iter().filter_map(text).collect(),
                elapsed: Duration::try_from_secs_f64(record["seconds"].as_f64()?).ok()?,
                skipped: text(&record["skipped"]),
                text: text(&record["text"]),
                failed: text(&record["failed"]),
            })
        };
        Ok(Passes {
            start: records.first().and_then(|record| text(&record["text"])).unwrap_or_default(),
            passes: records.iter().skip(1).filter_map(pass).collect(),
            log: text(&answer["log"]).unwrap_or_default(),
        })
    }
}
