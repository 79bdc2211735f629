//! Tokens to syntax tree.

use std::ops::Range;

use super::ast::{
    Address, Function, Immediate, Initializer, Instruction, LineInfo, Module, Operand, Param, PtxType, Space,
    Statement, Variable,
};
use super::lexer::{Spanned, Token, error, tokenize};
use crate::diagnostic::Result;

/// Nested `{ }` and operands deeper than this are refused, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Parses a module. Errors have the code `ptx-syntax` and their place in `text`.
pub fn parse(text: &str) -> Result<Module> {
    let tokens = tokenize(text)?;
    Parser { text, tokens, position: 0, depth: 0 }.module()
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Spanned<'a>>,
    position: usize,
    depth: usize,
}

/// `.global .align 4 .b8 name[16] = {…}` before its space is known to be allowed.
#[derive(Default)]
struct Linkage {
    is_extern: bool,
}

impl<'a> Parser<'a> {
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

    fn function(&mut self, is_entry: bool) -> Result<Function> {
        let mut function = Function { is_entry, ..Function::default() };
        if !is_entry && self.at('(') {
            function.returns = self.params()?;
        }
        function.span = self.span();
        function.name = self.word("a function name")?.to_owned();
        if self.at('(') {
            function.params = self.params()?;
        }
        loop {
            match self.peek() {
                Some(Token::Word(".reqntid")) => function.reqntid = Some(self.triple()?),
                Some(Token::Word(".maxntid")) => function.maxntid = Some(self.triple()?),
                Some(Token::Word(".reqnctapercluster")) => function.cluster = Some(self.triple()?),
                Some(Token::Word(".minnctapersm")) => function.min_blocks = Some(self.triple()?[0]),
                Some(Token::Word(".maxnreg")) => function.max_registers = Some(self.triple()?[0]),
                Some(Token::Word(".maxclusterrank" | ".maxnctapersm")) => {
                    self.triple()?;
                }
                Some(Token::Word(".noreturn" | ".explicitcluster" | ".blocksareclusters")) => self.next(),
                Some(Token::Word(".pragma")) => self.skip_statement(),
                Some(Token::Symbol(';')) => {
                    self.next();
                    return Ok(function);
                }
                Some(Token::Symbol('{')) => {
                    self.next();
                    function.body = Some(self.block()?);
                    return Ok(function);
                }
                _ => return Err(self.unexpected("`{`, `;` or a directive of a function")),
            }
        }
    }

    fn triple(&mut self) -> Result<[u32; 3]> {
        self.next();
        let mut values = [1; 3];
        for (index, value) in values.iter_mut().enumerate() {
            if index > 0 && !self.accept(',') {
                break;
            }
            *value = self.integer("a number")? as u32;
        }
        Ok(values)
    }

    fn params(&mut self) -> Result<Vec<Param>> {
        self.expect('(')?;
        let mut params = Vec::new();
        while !self.at(')') {
            params.push(self.param()?);
            if !self.accept(',') {
                break;
            }
        }
        self.expect(')')?;
        Ok(params)
    }

    fn param(&mut self) -> Result<Param> {
        let start = self.span().start;
        let mut align = None;
        let mut ty = None;
        let mut pointee = None;
        let mut pointee_align = None;
        let mut is_pointer = false;
        let name = loop {
            let word = self.word("a parameter")?;
            match word {
                ".param" | ".reg" => {}
                ".align" => {
                    let value = Some(self.alignment()?);
                    if is_pointer { pointee_align = value } else { align = value }
                }
                ".ptr" => {
                    is_pointer = true;
                    pointee = Some(Space::Generic);
                }
                ".global" => pointee = Some(Space::Global),
                ".shared" => pointee = Some(Space::Shared),
                ".const" => pointee = Some(Space::Const),
                ".local" => pointee = Some(Space::Local),
                _ if word.starts_with('.') => ty = Some(self.type_of(word)?),
                _ => break word.to_owned(),
            }
        };
        let Some(ty) = ty else { return Err(self.error_before("this parameter has no type")) };
        let mut count = 1;
        if self.accept('[') {
            count = if self.at(']') { 0 } else { self.integer("an array length")? as u32 };
            self.expect(']')?;
        }
        if ty.size().checked_mul(count).is_none_or(|size| size > 1 << 16) {
            return Err(self.error_before("this parameter is too large"));
        }
        let align = align.unwrap_or(ty.size());
        Ok(Param { name, ty, count, align, pointee, pointee_align, span: start..self.end_before() })
    }

    fn alignment(&mut self) -> Result<u32> {
        let value = self.integer("an alignment")?;
        match u32::try_from(value) {
            Ok(value) if value.is_power_of_two() => Ok(value),
            _ => Err(self.error_before("an alignment is a power of two")),
        }
    }

    fn type_of(&self, word: &str) -> Result<PtxType> {
        word.trim_start_matches('.').parse().map_err(|()| self.error_before("this is not a PTX type"))
    }

    /// One declaration may declare several variables: `.local .b8 a[4], b[8];`.
    fn variable(&mut self, is_extern: bool) -> Result<Vec<Variable>> {
        let start = self.span().start;
        let mut space = None;
        let mut ty = None;
        let mut align = None;
        let mut vector = 1;
        let mut variables = Vec::new();
        loop {
            let word = self.word("a variable")?;
            match word {
                ".global" => space = Some(Space::Global),
                ".const" => space = Some(Space::Const),
                ".shared" | ".shared::cta" => space = Some(Space::Shared),
                ".local" => space = Some(Space::Local),
                ".param" => space = Some(Space::Param),
                ".align" => align = Some(self.alignment()?),
                ".v2" => vector = 2,
                ".v4" => vector = 4,
                ".attribute" => self.skip_parentheses()?,
                _ if word.starts_with('.') => ty = Some(self.type_of(word)?),
                _ => {
                    let (Some(space), Some(ty)) = (space, ty) else {
                        return Err(self.error_before("this variable has no type"));
                    };
                    let element = u64::from(ty.size() * vector);
                    let (count, initializer) = self.dimensions_and_initializer(ty)?;
                    let size = match (count, &initializer) {
                        (Some(count), _) => count.checked_mul(element),
                        (None, Some(Initializer::Bytes(bytes) | Initializer::WithSymbols(bytes, _))) => {
                            Some(bytes.len() as u64)
                        }
                        (None, None) => Some(0),
                    };
                    let Some(size) = size.filter(|size| *size <= 1 << 32) else {
                        return Err(self.error_before("this variable is too large"));
                    };
                    variables.push(Variable {
                        name: word.to_owned(),
                        space,
                        ty,
                        size,
                        align: align.unwrap_or(element as u32),
                        initializer,
                        is_extern,
                        span: start..self.end_before(),
                    });
                    if !self.accept(',') {
                        self.expect(';')?;
                        return Ok(variables);
                    }
                }
            }
        }
    }

    /// `[4][8] = {…}`; the element count is `None` for `[]`.
    fn dimensions_and_initializer(&mut self, ty: PtxType) -> Result<(Option<u64>, Option<Initializer>)> {
        let mut count = Some(1u64);
        while self.accept('[') {
            if self.at(']') {
                count = None;
            } else {
                let extent = self.integer("an array length")?;
                count = match count.map(|count| count.checked_mul(extent)) {
                    Some(None) => return Err(self.error_before("this variable is too large")),
                    Some(product) => product,
                    None => None,
                };
            }
            self.expect(']')?;
        }
        if !self.accept('=') {
            return Ok((count, None));
        }
        let mut bytes = Vec::new();
        let mut symbols = Vec::new();
        self.initializer(ty, &mut bytes, &mut symbols)?;
        let initializer =
            if symbols.is_empty() { Initializer::Bytes(bytes) } else { Initializer::WithSymbols(bytes, symbols) };
        Ok((count, Some(initializer)))
    }

    fn initializer(&mut self, ty: PtxType, bytes: &mut Vec<u8>, symbols: &mut Vec<(u32, String, i64)>) -> Result<()> {
        if self.accept('{') {
            self.enter()?;
            while !self.at('}') {
                self.initializer(ty, bytes, symbols)?;
                if !self.accept(',') {
                    break;
                }
            }
            self.depth -= 1;
            return self.expect('}');
        }
        let size = ty.size() as usize;
        if let Some(Token::String(text)) = self.peek() {
            self.next();
            bytes.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        match self.operand()? {
            Operand::Immediate(immediate) => {
                let bits = immediate_bits(immediate, ty);
                bytes.extend_from_slice(bits.to_le_bytes().get(..size).unwrap_or_default());
                Ok(())
            }
            Operand::Name(name) => {
                symbols.push((bytes.len() as u32, name, 0));
                bytes.resize(bytes.len() + size, 0);
                Ok(())
            }
            Operand::NameOffset(name, addend) => {
                symbols.push((bytes.len() as u32, name, addend));
                bytes.resize(bytes.len() + size, 0);
                Ok(())
            }
            _ => Err(self.error_before("expected a constant")),
        }
    }

    /// After `{`, up to and with `}`.
    fn block(&mut self) -> Result<Vec<Statement>> {
        self.enter()?;
        let mut statements = Vec::new();
        loop {
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
                        Some(Token::Word(directive @ (".callprototype" | ".calltargets"))) => {
                            return Err(self.refuse(directive));
                        }
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
    fn branch_targets(&mut self, name: &str) -> Result<Statement> {
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

    fn registers(&mut self) -> Result<Statement> {
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

    fn line_info(&mut self) -> Result<LineInfo> {
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

    fn instruction(&mut self, start: usize) -> Result<Instruction> {
        let mut guard = None;
        if self.accept('@') {
            let negated = self.accept('!');
            guard = Some((self.word("a predicate")?.to_owned(), negated));
        }
        let opcode = self.word("an opcode")?.to_owned();
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

    fn operand(&mut self) -> Result<Operand> {
        self.enter()?;
        let operand = self.simple_operand()?;
        self.depth -= 1;
        if self.accept('|') {
            let second = self.simple_operand()?;
            return Ok(Operand::Pair(Box::new(operand), Box::new(second)));
        }
        Ok(operand)
    }

    fn simple_operand(&mut self) -> Result<Operand> {
        match self.peek() {
            Some(Token::Symbol('{')) => {
                self.next();
                Ok(Operand::Vector(self.operands_until('}')?))
            }
            Some(Token::Symbol('(')) => {
                self.next();
                Ok(Operand::List(self.operands_until(')')?))
            }
            Some(Token::Symbol('[')) => {
                self.next();
                self.address().map(Operand::Address)
            }
            Some(Token::Symbol('!')) => {
                self.next();
                Ok(Operand::Not(self.word("a predicate")?.to_owned()))
            }
            Some(Token::Word("_")) => {
                self.next();
                Ok(Operand::Sink)
            }
            Some(Token::Word(name)) => {
                self.next();
                match self.addend()? {
                    0 => Ok(Operand::Name(name.to_owned())),
                    addend => Ok(Operand::NameOffset(name.to_owned(), addend)),
                }
            }
            _ => self.immediate().map(Operand::Immediate),
        }
    }

    fn operands_until(&mut self, close: char) -> Result<Vec<Operand>> {
        let mut operands = Vec::new();
        while !self.at(close) {
            operands.push(self.operand()?);
            if !self.accept(',') {
                break;
            }
        }
        self.expect(close)?;
        Ok(operands)
    }

    fn address(&mut self) -> Result<Address> {
        let mut address = Address { base: None, offset: 0, coordinates: Vec::new() };
        if let Some(Token::Word(name)) = self.peek() {
            self.next();
            address.base = Some(name.to_owned());
            address.offset = self.addend()?;
        } else {
            match self.immediate()? {
                Immediate::Integer(value) => address.offset = value as i64,
                _ => return Err(self.error_before("an address is an integer")),
            }
        }
        if self.accept(',') {
            self.expect('{')?;
            address.coordinates = self.operands_until('}')?;
        }
        self.expect(']')?;
        Ok(address)
    }

    /// `+4`, `+-4`, `-4` or nothing.
    fn addend(&mut self) -> Result<i64> {
        let plus = self.accept('+');
        let minus = self.accept('-');
        if !plus && !minus {
            return Ok(0);
        }
        let value = self.integer("an offset")? as i64;
        Ok(if minus { value.wrapping_neg() } else { value })
    }

    fn immediate(&mut self) -> Result<Immediate> {
        let negative = self.accept('-');
        let immediate = match self.peek() {
            Some(Token::Integer(value)) => Immediate::Integer(if negative { value.wrapping_neg() } else { value }),
            Some(Token::Float32(bits)) => Immediate::F32(if negative { bits ^ 1 << 31 } else { bits }),
            Some(Token::Float64(bits)) => Immediate::F64(if negative { bits ^ 1 << 63 } else { bits }),
            _ => return Err(self.unexpected("an operand")),
        };
        self.next();
        Ok(immediate)
    }

    fn skip_statement(&mut self) {
        while !matches!(self.peek(), Some(Token::Symbol(';')) | None) {
            self.next();
        }
        self.next();
    }

    fn skip_parentheses(&mut self) -> Result<()> {
        self.expect('(')?;
        while !matches!(self.peek(), Some(Token::Symbol(')')) | None) {
            self.next();
        }
        self.expect(')')
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.error_here("this is nested too deeply")) } else { Ok(()) }
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.position + ahead).map(|spanned| spanned.token)
    }

    fn next(&mut self) {
        self.position += 1;
    }

    fn at(&self, symbol: char) -> bool {
        self.peek() == Some(Token::Symbol(symbol))
    }

    fn accept(&mut self, symbol: char) -> bool {
        let found = self.at(symbol);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, symbol: char) -> Result<()> {
        if self.accept(symbol) { Ok(()) } else { Err(self.unexpected(&format!("`{symbol}`"))) }
    }

    fn word(&mut self, expected: &str) -> Result<&'a str> {
        match self.peek() {
            Some(Token::Word(word)) => {
                self.next();
                Ok(word)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    fn string(&mut self) -> Result<&'a str> {
        match self.peek() {
            Some(Token::String(text)) => {
                self.next();
                Ok(text)
            }
            _ => Err(self.unexpected("a string")),
        }
    }

    fn integer(&mut self, expected: &str) -> Result<u64> {
        match self.peek() {
            Some(Token::Integer(value)) => {
                self.next();
                Ok(value)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// The span of the token ahead; the end of the text where there is none.
    fn span(&self) -> Range<usize> {
        self.tokens.get(self.position).map_or(self.text.len()..self.text.len(), |token| token.span.clone())
    }

    fn end_before(&self) -> usize {
        self.position.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.span.end)
    }

    fn unexpected(&self, expected: &str) -> Box<crate::diagnostic::Diagnostic> {
        let span = self.span();
        let found = match self.peek() {
            Some(_) => format!("found `{}`", &self.text[span.clone()]),
            None => "the text ends here".to_owned(),
        };
        let mut diagnostic = error(&format!("expected {expected}"), span);
        diagnostic.labels[0].message = found;
        diagnostic
    }

    fn error_here(&self, message: &str) -> Box<crate::diagnostic::Diagnostic> {
        error(message, self.span())
    }

    fn error_before(&self, message: &str) -> Box<crate::diagnostic::Diagnostic> {
        let last = self.position.saturating_sub(1);
        error(message, self.tokens.get(last).map_or(0..0, |token| token.span.clone()))
    }

    fn refuse(&self, what: &str) -> Box<crate::diagnostic::Diagnostic> {
        let mut diagnostic = self.error_before(&format!("{what} is not supported"));
        diagnostic.code = "ptx-unsupported";
        diagnostic
    }
}

/// A literal in the representation of a type.
fn immediate_bits(immediate: Immediate, ty: PtxType) -> u64 {
    match (immediate, ty) {
        (Immediate::Integer(value), _) => value,
        (Immediate::F32(bits), PtxType::F64) => f64::from(f32::from_bits(bits)).to_bits(),
        (Immediate::F32(bits), _) => bits.into(),
        (Immediate::F64(bits), PtxType::F32) => (f64::from_bits(bits) as f32).to_bits().into(),
        (Immediate::F64(bits), _) => bits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: &str = r#"
.version 8.4
.target sm_80
.address_size 64
.extern .shared .align 16 .b8 global_smem[];
.global .align 1 .b8 assertMessage_0[5] = {65, 66, 67, 68, 0};
.extern .func __assertfail ( .param .b64 a, .param .b32 b ) .noreturn;
.visible .entry add(
    .param .u64 .ptr .global .align 1 add_param_0,
    .param .u32 add_param_1,
    .param .align 64 .b8 add_param_2[128]
)
.reqntid 128, 1, 1
{
    .reg .pred %p<3>;
    .reg .b32 %r<5>;
    .loc 1 14 29
    ld.param.u64 %rd1, [add_param_0];
    // begin inline asm
    { .reg .pred q; setp.ne.s32 q, %r1, 0; @!q ld.global.v2.b32 { %r1, %r2 }, [ %rd1 + -16 ]; }
    // end inline asm
$L__BB0_1:
    @%p1 bra $L__BB0_1;
    mov.b32 {%r1, _}, %rd1; setp.lt.f32 %p1|%p2, %r1, 0f3F800000;
    call.uni (retval0), vprintf, (param0, param1);
$L__tmp1:
    .loc 1 291 36, function_name $L__info_string0, inlined_at 1 20 8
    ret;
}
.file 1 "/x" "add.py"
.section .debug_abbrev { .b8 1 .b8 2 }
"#;

    #[test]
    fn a_module_of_triton_s_shape() {
        let module = parse(KERNEL).expect("parses");
        assert_eq!((module.version, module.target.as_str()), ((8, 4), "sm_80"));
        assert_eq!(module.variables.len(), 2);
        assert!(module.variables[0].is_extern && module.variables[0].size == 0);
        assert_eq!(module.variables[1].initializer, Some(Initializer::Bytes(b"ABCD\0".to_vec())));
        assert_eq!(module.file(1), Some("/x/add.py"));
        let entry = module.entries().next().expect("an entry");
        assert_eq!((entry.name.as_str(), entry.reqntid), ("add", Some([128, 1, 1])));
        let sizes: Vec<_> = entry.params.iter().map(|p| (p.size(), p.align, p.pointee)).collect();
        assert_eq!(sizes, [(8, 8, Some(Space::Global)), (4, 4, None), (128, 64, None)]);
        let body = entry.body.as_ref().expect("a body");
        assert_eq!(body.iter().filter(|s| matches!(s, Statement::Block(_))).count(), 1);
        let inlined = body.iter().rev().find_map(|s| if let Statement::Line(line) = s { Some(*line) } else { None });
        assert_eq!(inlined.and_then(|line| line.inlined_at), Some((1, 20, 8)));
    }

    #[test]
    fn an_error_has_its_place_and_what_was_expected() {
        let text = ".version 8.4\n.target sm_80\n.visible .entry k() { mov.u32 %r1 %r2; }";
        let error = parse(text).expect_err("a comma is missing");
        assert_eq!(error.message, "expected `,` or `;`");
        assert_eq!(&text[error.labels[0].span.clone()], "%r2");
    }

    #[test]
    fn cut_and_mangled_text_never_panics() {
        for end in 0..KERNEL.len() {
            if KERNEL.is_char_boundary(end) {
                let _ = parse(&KERNEL[..end]);
            }
        }
        assert!(parse(&"{".repeat(100_000)).is_err());
        assert!(parse(&format!(".visible .entry k() {}", "{".repeat(100_000))).is_err());
    }
}
