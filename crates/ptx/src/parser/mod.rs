//! Tokens to syntax tree.

mod declaration;
mod operand;
mod statement;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::Module;
use super::isa::Opcode;
use super::lexer::{Spanned, Token, error, tokenize};
use warpbook_diagnostic::Result;

/// Nested `{ }` and operands deeper than this are refused, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Parses a module. Errors have the code `ptx-syntax` and their place in `text`.
pub fn parse(text: &str) -> Result<Module> {
    let tokens = tokenize(text)?;
    Parser { text, tokens, position: 0, depth: 0, opcodes: HashMap::new() }.module()
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Spanned<'a>>,
    position: usize,
    depth: usize,
    /// The opcodes so far, by their text: a kernel has thousands of instructions and some dozens of opcodes.
    opcodes: HashMap<&'a str, Arc<Opcode>>,
}

/// `.global .align 4 .b8 name[16] = {…}` before its space is known to be allowed.
#[derive(Default)]
struct Linkage {
    is_extern: bool,
}

impl Parser<'_> {
    fn module(mut self) -> Result<Module> {
        let mut module = Module { address_size: 64, ..Module::default() };
        let mut linkage = Linkage::default();
        while let Some(token) = self.peek() {
            let Token::Word(word) = token else {
                return Err(self.unexpected("a directive"));
            };
            match word {
                ".version" => {
                    self.next();
                    module.version = self.version()?;
                }
                ".target" => {
                    self.next();
                    module.target = self.word("a target")?.to_owned();
                    while self.accept(',') {
                        self.word("a target option")?;
                    }
                }
                ".address_size" => {
                    self.next();
                    module.address_size = self.integer("32 or 64")? as u32;
                    if module.address_size != 64 {
                        return Err(self.error_here("only 64-bit addresses are supported"));
                    }
                }
                ".file" => {
                    self.next();
                    module.files.push(self.file()?);
                }
                ".section" => self.section()?,
                ".visible" | ".weak" | ".common" => {
                    self.next();
                }
                ".extern" => {
                    self.next();
                    linkage.is_extern = true;
                    continue;
                }
                ".entry" | ".func" => {
                    self.next();
                    module.functions.push(self.function(word == ".entry")?);
                }
                ".global" | ".const" | ".shared" => {
                    let variable = self.variable(linkage.is_extern)?;
                    module.variables.extend(variable);
                }
                ".pragma" | ".alias" => self.skip_statement(),
                _ => return Err(self.unexpected("a directive of a module")),
            }
            linkage = Linkage::default();
        }
        Ok(module)
    }

    fn version(&mut self) -> Result<(u32, u32)> {
        let span = self.span();
        let text = &self.text[span.clone()];
        self.next();
        let parts = text.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        parts.ok_or_else(|| error("expected a version such as 8.4", span))
    }

    fn file(&mut self) -> Result<(u32, String)> {
        let index = self.integer("a file index")? as u32;
        let mut name = self.string()?.to_owned();
        if let Some(Token::String(second)) = self.peek() {
            self.next();
            name = format!("{name}/{second}");
        }
        while self.accept(',') {
            self.integer("a number")?;
        }
        Ok((index, name))
    }

    /// Debug sections are skipped whole.
    fn section(&mut self) -> Result<()> {
        self.next();
        while !matches!(self.peek(), Some(Token::Symbol('{')) | None) {
            self.next();
        }
        self.expect('{')?;
        let mut depth = 1;
        while depth > 0 {
            match self.peek() {
                Some(Token::Symbol('{')) => depth += 1,
                Some(Token::Symbol('}')) => depth -= 1,
                None => return Err(self.unexpected("`}`")),
                _ => {}
            }
            self.next();
        }
        Ok(())
    }
}
