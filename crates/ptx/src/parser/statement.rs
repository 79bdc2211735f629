//! Bodies of functions: blocks, registers, labels, `.loc`, instructions.

use std::sync::Arc;

use super::Parser;
use crate::ast::{Instruction, LineInfo, Statement};
use crate::isa::Opcode;
use crate::lexer::Token;
use warpbook_diagnostic::{Result, interrupt};

/// Statements between two looks at the interrupt.
const WATCHED: usize = 1 << 12;

impl Parser<'_> {
    /// After `{`, up to and with `}`.
    pub(super) fn block(&mut self) -> Result<Vec<Statement>> {
        self.enter()?;
        let mut statements = Vec::new();
        loop {
            if statements.len() % WATCHED == WATCHED - 1 {
                interrupt::check()?;
            }
            let start = self.span().start;
            match self.peek() {
                Some(Token::Symbol('}')) => {
                    self.next();
                    self.depth -= 1;
                    return Ok(statements);
                }
                Some(Token::Symbol('{')) => {
                    self.next();
                    statements.push(Statement::Block(self.block()?));
                }
                Some(Token::Symbol(';')) => self.next(),
                Some(Token::Word(".reg")) => {
                    self.next();
                    statements.push(self.registers()?);
                }
                Some(Token::Word(".loc")) => {
                    self.next();
                    statements.push(Statement::Line(self.line_info()?));
                }
                Some(Token::Word(".local" | ".shared" | ".param" | ".global" | ".const")) => {
                    statements.extend(self.variable(false)?.into_iter().map(Statement::Variable));
                }
                Some(Token::Word(".pragma")) => self.skip_statement(),
                Some(Token::Word(word)) if self.peek_at(1) == Some(Token::Symbol(':')) => {
                    let span = self.span();
                    self.next();
                    self.next();
                    match self.peek() {
                        Some(Token::Word(".branchtargets")) => {
                            self.next();
                            statements.push(self.branch_targets(word)?);
                        }
                        // What a call through a pointer goes to is seen by the pointer.
                        Some(Token::Word(".callprototype" | ".calltargets")) => self.skip_statement(),
                        _ => statements.push(Statement::Label(word.to_owned(), span)),
                    }
                }
                Some(Token::Word(_) | Token::Symbol('@')) => {
                    statements.push(Statement::Instruction(self.instruction(start)?));
                }
                _ => return Err(self.unexpected("an instruction or `}`")),
            }
        }
    }

    /// After `name: .branchtargets`, up to and with `;`.
    pub(super) fn branch_targets(&mut self, name: &str) -> Result<Statement> {
        let mut targets = Vec::new();
        loop {
            targets.push(self.word("a label")?.to_owned());
            if !self.accept(',') {
                break;
            }
        }
        self.expect(';')?;
        Ok(Statement::BranchTargets { name: name.to_owned(), targets })
    }

    pub(super) fn registers(&mut self) -> Result<Statement> {
        let mut ty = self.word("a type")?;
        if matches!(ty, ".v2" | ".v4") {
            return Err(self.refuse("vector registers"));
        }
        if ty == ".align" {
            self.alignment()?;
            ty = self.word("a type")?;
        }
        let ty = self.type_of(ty)?;
        let mut names = Vec::new();
        loop {
            let name = self.word("a register name")?.to_owned();
            let mut count = None;
            if self.accept('<') {
                let value = self.integer("a count")?;
                let value = u32::try_from(value).ok().filter(|count| *count <= 1 << 24);
                count = Some(value.ok_or_else(|| self.error_before("too many registers"))?);
                self.expect('>')?;
            }
            names.push((name, count));
            if !self.accept(',') {
                break;
            }
        }
        self.expect(';')?;
        Ok(Statement::Registers { ty, names })
    }

    pub(super) fn line_info(&mut self) -> Result<LineInfo> {
        let number = |this: &mut Self| this.integer("a number").map(|value| value as u32);
        let mut info = LineInfo { file: number(self)?, line: number(self)?, column: number(self)?, inlined_at: None };
        while self.accept(',') {
            match self.word("`function_name` or `inlined_at`")? {
                "function_name" => {
                    self.word("a label")?;
                    if self.accept('+') {
                        self.integer("an offset")?;
                    }
                }
                "inlined_at" => info.inlined_at = Some((number(self)?, number(self)?, number(self)?)),
                _ => return Err(self.error_before("expected `function_name` or `inlined_at`")),
            }
        }
        Ok(info)
    }

    pub(super) fn instruction(&mut self, start: usize) -> Result<Instruction> {
        let mut guard = None;
        if self.accept('@') {
            let negated = self.accept('!');
            guard = Some((self.word("a predicate")?.to_owned(), negated));
        }
        let text = self.word("an opcode")?;
        let opcode = self.opcodes.entry(text).or_insert_with(|| Arc::new(Opcode::parse(text))).clone();
        let mut operands = Vec::new();
        while !self.at(';') {
            operands.push(self.operand()?);
            if !self.accept(',') {
                break;
            }
        }
        if !self.at(';') {
            return Err(self.unexpected("`,` or `;`"));
        }
        self.next();
        Ok(Instruction { guard, opcode, operands, span: start..self.end_before() })
    }
}
