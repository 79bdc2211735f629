//! The parser's hold on its tokens, and the errors that name one.

use std::ops::Range;

use super::{MAX_DEPTH, Parser};
use crate::lexer::{Token, error};
use warpbook_diagnostic::{Diagnostic, Result};

impl<'a> Parser<'a> {
    pub(super) fn skip_statement(&mut self) {
        while !matches!(self.peek(), Some(Token::Symbol(';')) | None) {
            self.next();
        }
        self.next();
    }

    pub(super) fn skip_parentheses(&mut self) -> Result<()> {
        self.expect('(')?;
        while !matches!(self.peek(), Some(Token::Symbol(')')) | None) {
            self.next();
        }
        self.expect(')')
    }

    pub(super) fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.error_here("this is nested too deeply")) } else { Ok(()) }
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.position + ahead).map(|spanned| spanned.token)
    }

    pub(super) fn next(&mut self) {
        self.position += 1;
    }

    pub(super) fn at(&self, symbol: char) -> bool {
        self.peek() == Some(Token::Symbol(symbol))
    }

    pub(super) fn accept(&mut self, symbol: char) -> bool {
        let found = self.at(symbol);
        if found {
            self.next();
        }
        found
    }

    pub(super) fn expect(&mut self, symbol: char) -> Result<()> {
        if self.accept(symbol) { Ok(()) } else { Err(self.unexpected(&format!("`{symbol}`"))) }
    }

    pub(super) fn word(&mut self, expected: &str) -> Result<&'a str> {
        match self.peek() {
            Some(Token::Word(word)) => {
                self.next();
                Ok(word)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    pub(super) fn string(&mut self) -> Result<&'a str> {
        match self.peek() {
            Some(Token::String(text)) => {
                self.next();
                Ok(text)
            }
            _ => Err(self.unexpected("a string")),
        }
    }

    pub(super) fn integer(&mut self, expected: &str) -> Result<u64> {
        match self.peek() {
            Some(Token::Integer(value)) => {
                self.next();
                Ok(value)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// The span of the token ahead; the end of the text where there is none.
    pub(super) fn span(&self) -> Range<usize> {
        self.tokens.get(self.position).map_or(self.text.len()..self.text.len(), |token| token.span.clone())
    }

    pub(super) fn end_before(&self) -> usize {
        self.position.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.span.end)
    }

    pub(super) fn unexpected(&self, expected: &str) -> Diagnostic {
        let span = self.span();
        let found = match self.peek() {
            Some(_) => format!("found `{}`", &self.text[span.clone()]),
            None => "the text ends here".to_owned(),
        };
        let mut diagnostic = error(&format!("expected {expected}"), span);
        diagnostic.labels[0].message = found;
        diagnostic
    }

    pub(super) fn error_here(&self, message: &str) -> Diagnostic {
        error(message, self.span())
    }

    pub(super) fn error_before(&self, message: &str) -> Diagnostic {
        let last = self.position.saturating_sub(1);
        error(message, self.tokens.get(last).map_or(0..0, |token| token.span.clone()))
    }

    pub(super) fn refuse(&self, what: &str) -> Diagnostic {
        let mut diagnostic = self.error_before(&format!("{what} is not supported"));
        diagnostic.code = "ptx-unsupported";
        diagnostic
    }
}
