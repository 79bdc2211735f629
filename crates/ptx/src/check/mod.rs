//! Is a module one that ptxas takes? What a GPU would never run is refused before it is decoded.
//!
//! [`problems`] looks at the heads of the module, at its declarations and at each instruction: [`opcode`] compares it with
//! the forms of the ISA ([`crate::isa::forms`]), [`operand`] its operands with the places of the form. The truth is what
//! ptxas does; `crates/emulator/tests/differential` compares the two. What the tables do not list is left to the decoder,
//! which refuses by name what it does not know.

mod agreement;
mod moves;
mod opcode;
mod operand;
mod place;
mod scope;
mod special;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use crate::ast::{Function, Instruction, Module, Statement};
use crate::isa::Opcode;
use crate::isa::forms::{Architecture, Reach, Version};
use crate::types::PtxType;
use opcode::{Candidate, Found, Wrong};
use operand::{Mismatch, Operands};
use rustc_hash::FxHashMap;
use scope::{Meaning, Scope};
use warpbook_diagnostic::{Diagnostic, Result, interrupt};

/// Refuses a module that ptxas would refuse, with the first thing that is wrong. An interrupt ends it.
pub fn check(text: &str, module: &Module) -> Result<()> {
    Checker::new(text, module, None).module(module)
}

/// Everything in a module that ptxas would refuse, in the order of the text. An interrupt ends it.
pub fn problems(text: &str, module: &Module) -> Result<Vec<Diagnostic>> {
    let mut checker = Checker::new(text, module, Some(Vec::new()));
    checker.module(module)?;
    Ok(checker.problems.unwrap_or_default())
}

/// What an opcode is, once for all instructions that share it.
enum Known {
    Unlisted,
    Forms(Vec<Candidate>),
    Wrong(Diagnostic),
}

struct Checker<'a> {
    text: &'a str,
    version: Version,
    target: Option<Architecture>,
    /// By the address of the opcode, which instructions that are written alike share.
    opcodes: FxHashMap<*const Opcode, Known>,
    /// What was found; without a list, the first problem ends the check.
    problems: Option<Vec<Diagnostic>>,
}

impl<'a> Checker<'a> {
    fn new(text: &'a str, module: &Module, problems: Option<Vec<Diagnostic>>) -> Self {
        Self { text, version: module.version, target: None, opcodes: FxHashMap::default(), problems }
    }

    fn report(&mut self, problem: Diagnostic) -> Result<()> {
        match &mut self.problems {
            Some(problems) => {
                problems.push(problem);
                Ok(())
            }
            None => Err(problem),
        }
    }

    fn module(&mut self, module: &'a Module) -> Result<()> {
        self.head(module)?;
        let mut scope = Scope::new(module);
        module.functions.iter().try_for_each(|function| self.function(&mut scope, function))
    }

    /// Checks `.version` and `.target`.
    fn head(&mut self, module: &Module) -> Result<()> {
        if module.target.is_empty() {
            let error = Diagnostic::error("ptx-target", "the module has no `.target`");
            return self.report(error.at(0..0, "").help("begin with `.version 8.7` and `.target sm_90`"));
        }
        self.target = Architecture::parse(&module.target);
        let span = self.word_span(0..self.text.len(), &module.target);
        let Some(target) = self.target else {
            let error =
                Diagnostic::error("ptx-target", format!("`{}` is not the name of an architecture", module.target));
            return self.report(error.at(span, "").help("write `.target sm_90`"));
        };
        if let Some(first) = target.first_version().filter(|first| *first > module.version) {
            let message = format!("`.target {target}` needs `.version {}.{}`", first.0, first.1);
            let error = Diagnostic::error("ptx-version", message).at(span, "");
            self.report(error.note(format!("the module has `.version {}.{}`", module.version.0, module.version.1)))?;
        }
        Ok(())
    }

    fn function(&mut self, scope: &mut Scope<'a>, function: &'a Function) -> Result<()> {
        let Some(body) = &function.body else { return Ok(()) };
        scope.enter_function(function);
        self.block(scope, body)?;
        scope.leave();
        Ok(())
    }

    fn block(&mut self, scope: &mut Scope<'a>, statements: &'a [Statement]) -> Result<()> {
        scope.enter(statements);
        for (name, span) in scope::labels_defined_twice(statements) {
            self.syntax(format!("label `{name}` is defined twice"), span)?;
        }
        let mut near = 0..0;
        for (step, statement) in statements.iter().enumerate() {
            interrupt::check_at(step)?;
            match statement {
                Statement::Registers { ty, names } => {
                    for (name, count) in names {
                        let is_new = match count {
                            Some(count) => scope.declare_range(name, *ty, *count),
                            None => scope.declare(name, Meaning::Register(*ty)),
                        };
                        if !is_new {
                            let span = self.word_span(near.end..self.text.len(), name);
                            self.syntax(format!("`{name}` is declared twice"), span)?;
                        }
                    }
                }
                Statement::Variable(variable) => {
                    near = variable.span.clone();
                    if !scope.declare(&variable.name, Meaning::Variable(variable.space)) {
                        self.syntax(format!("`{}` is declared twice", variable.name), variable.span.clone())?;
                    }
                }
                Statement::Block(statements) => self.block(scope, statements)?,
                Statement::Instruction(instruction) => {
                    near = instruction.span.clone();
                    self.instruction(scope, instruction)?;
                }
                Statement::Label(_, span) => near = span.clone(),
                Statement::BranchTargets { .. } | Statement::Line(_) => {}
            }
        }
        scope.leave();
        Ok(())
    }

    fn syntax(&mut self, message: String, span: Range<usize>) -> Result<()> {
        self.report(Diagnostic::error("ptx-syntax", message).at(span, ""))
    }

    fn instruction(&mut self, scope: &Scope<'a>, instruction: &Instruction) -> Result<()> {
        if let Some((guard, _)) = &instruction.guard {
            let problem = match scope.register(guard) {
                Some(PtxType::Pred) => None,
                Some(ty) => Some(format!("the guard `{guard}` is a `.{ty}` register, not a predicate")),
                None => Some(format!("there is no predicate `{guard}`")),
            };
            if let Some(message) = problem {
                let span = self.word_span(instruction.span.clone(), guard);
                return self.report(Diagnostic::error("ptx-operand", message).at(span, ""));
            }
        }
        let opcode = &instruction.opcode;
        let key = Arc::as_ptr(opcode);
        if !self.opcodes.contains_key(&key) {
            let known = self.look_up(opcode);
            self.opcodes.insert(key, known);
        }
        let problem = match &self.opcodes[&key] {
            Known::Unlisted => None,
            Known::Wrong(error) => Some(self.located(error.clone(), instruction)),
            Known::Forms(candidates) => {
                let operands = Operands { scope, opcode, target: self.target };
                self.operands(&operands, candidates, instruction)
            }
        };
        problem.map_or(Ok(()), |problem| self.report(problem))
    }

    /// What an opcode is under the version and the target of the module.
    fn look_up(&self, opcode: &Opcode) -> Known {
        match opcode::find(opcode) {
            Found::Unlisted => self.unlisted(opcode),
            Found::Wrong(wrong) => Known::Wrong(self.wrong_opcode(opcode, wrong)),
            Found::Forms(candidates) => {
                let met: Vec<Candidate> =
                    candidates.iter().filter(|candidate| self.unmet(candidate).is_none()).cloned().collect();
                match candidates.first().and_then(|first| self.unmet(first)) {
                    Some(error) if met.is_empty() => {
                        let message = format!("`{opcode}` needs {error}");
                        Known::Wrong(self.for_module(Diagnostic::error("ptx-target", message)))
                    }
                    _ => Known::Forms(met),
                }
            }
        }
    }

    /// An instruction without rows: the table of instructions says which architecture is the first that has it.
    fn unlisted(&self, opcode: &Opcode) -> Known {
        let row = opcode.description().target;
        let is_specific = row.reach == Reach::Alone;
        let needed = if is_specific { Architecture { reach: Reach::Family, ..row } } else { row };
        match self.target.filter(|target| opcode.mnemonic().is_some() && !target.has(needed)) {
            // Each of these has an architecture of its own beside the family of its row.
            Some(target) if is_specific && target.reach != Reach::Later && target.number > row.number => {
                Known::Unlisted
            }
            Some(_) => {
                let message = format!("`{opcode}` needs `.target {row}`");
                Known::Wrong(self.for_module(Diagnostic::error("ptx-target", message)))
            }
            None => Known::Unlisted,
        }
    }

    /// What a form needs and the module does not have.
    fn unmet(&self, candidate: &Candidate) -> Option<String> {
        let version = candidate.needs.iter().map(|need| need.version).max().unwrap_or_default();
        if let Some(target) = self.target
            && let Some(need) = candidate.needs.iter().find(|need| !need.is_met_by(target))
        {
            let names = need.targets.iter().map(|needed| {
                let more = if needed.reach == Reach::Later { " or later" } else { "" };
                format!("`.target {needed}`{more}")
            });
            return Some(agreement::join(names));
        }
        (version > self.version).then(|| format!("`.version {}.{}` or later", version.0, version.1))
    }

    fn for_module(&self, error: Diagnostic) -> Diagnostic {
        let target = self.target.map_or_else(String::new, |target| format!(" and `.target {target}`"));
        error.note(format!("the module has `.version {}.{}`{target}", self.version.0, self.version.1))
    }

    fn wrong_opcode(&self, opcode: &Opcode, wrong: Wrong) -> Diagnostic {
        let mut error = Diagnostic::error("ptx-opcode", wrong.message);
        if let Some(word) = wrong.word {
            error = error.at(0..word.len(), word);
        }
        if let Some(help) = wrong.help {
            error = error.help(help);
        }
        error.note(format!("PTX ISA {}", opcode.description().section))
    }

    /// The first thing that is wrong with the operands, by the form that they come nearest to.
    fn operands(
        &self,
        operands: &Operands<'_, '_>,
        candidates: &[Candidate],
        instruction: &Instruction,
    ) -> Option<Diagnostic> {
        let mut nearest: Option<Box<Mismatch>> = None;
        for candidate in candidates {
            match operands.check(candidate.form, &instruction.operands) {
                Ok(()) => return None,
                Err(error) if nearest.as_ref().is_none_or(|found| error.index > found.index) => nearest = Some(error),
                Err(_) => {}
            }
        }
        let error = nearest?;
        let span = match &error.word {
            Some(word) => self.word_span(self.after_opcode(instruction), word),
            None => instruction.span.clone(),
        };
        let mut diagnostic = Diagnostic::error("ptx-operand", error.message).at(span, "");
        if let Some(help) = error.help {
            diagnostic = diagnostic.help(help);
        }
        Some(diagnostic.note(format!("PTX ISA {}", instruction.opcode.description().section)))
    }

    fn after_opcode(&self, instruction: &Instruction) -> Range<usize> {
        let name = self.word_span(instruction.span.clone(), &instruction.opcode.to_string());
        name.end..instruction.span.end
    }

    /// Puts an error of an opcode, which many instructions share, at the place of one.
    fn located(&self, mut error: Diagnostic, instruction: &Instruction) -> Diagnostic {
        let label = error.labels.pop();
        let opcode = self.word_span(instruction.span.clone(), &instruction.opcode.to_string());
        let span = label.map_or(opcode.clone(), |label| self.word_span(opcode, &label.message));
        error.at(span, "")
    }

    /// Where a word stands in a part of the text; the part where it does not.
    fn word_span(&self, span: Range<usize>, word: &str) -> Range<usize> {
        let part = self.text.get(span.clone()).unwrap_or_default();
        let is_end = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_' && c != '$');
        let found =
            part.match_indices(word).map(|(at, _)| at).find(|at| is_end(part[at + word.len()..].chars().next()));
        found.map_or(span.clone(), |at| span.start + at..span.start + at + word.len())
    }
}
