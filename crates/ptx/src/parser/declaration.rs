//! Functions, parameters and variables.

use super::Parser;
use super::operand::immediate_bits;
use crate::ast::{Function, Initializer, Operand, Param, Variable};
use crate::lexer::Token;
use crate::types::{PtxType, Space};
use warpbook_diagnostic::Result;

/// Alignments beyond this are refused: no kernel has a use for them, and sums of them overflow.
const MAX_ALIGNMENT: u32 = 1 << 16;

impl Parser<'_> {
    pub(super) fn function(&mut self, is_entry: bool) -> Result<Function> {
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

    pub(super) fn triple(&mut self) -> Result<[u32; 3]> {
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

    pub(super) fn params(&mut self) -> Result<Vec<Param>> {
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

    pub(super) fn param(&mut self) -> Result<Param> {
        let start = self.span().start;
        let mut align = None;
        let mut ty = None;
        let mut pointee = None;
        let mut pointee_align = None;
        let mut is_pointer = false;
        let mut is_register = false;
        let name = loop {
            let word = self.word("a parameter")?;
            match word {
                ".param" => {}
                ".reg" => is_register = true,
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
        Ok(Param { name, ty, count, align, pointee, pointee_align, is_register, span: start..self.end_before() })
    }

    pub(super) fn alignment(&mut self) -> Result<u32> {
        let value = self.integer("an alignment")?;
        match u32::try_from(value) {
            Ok(value) if value.is_power_of_two() && value <= MAX_ALIGNMENT => Ok(value),
            _ => Err(self.error_before("an alignment is a power of two, at most 65536")),
        }
    }

    pub(super) fn type_of(&self, word: &str) -> Result<PtxType> {
        if matches!(word, ".texref" | ".samplerref" | ".surfref") {
            return Err(self.refuse("a texture or a surface"));
        }
        word.trim_start_matches('.').parse().map_err(|()| self.error_before("this is not a PTX type"))
    }

    /// One declaration may declare several variables: `.local .b8 a[4], b[8];`.
    pub(super) fn variable(&mut self, is_extern: bool) -> Result<Vec<Variable>> {
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
    pub(super) fn dimensions_and_initializer(&mut self, ty: PtxType) -> Result<(Option<u64>, Option<Initializer>)> {
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

    pub(super) fn initializer(
        &mut self,
        ty: PtxType,
        bytes: &mut Vec<u8>,
        symbols: &mut Vec<(u32, String, i64)>,
    ) -> Result<()> {
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
}
