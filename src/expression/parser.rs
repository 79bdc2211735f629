//! Tokens to syntax tree: expressions with Python's precedence, and launch headers.

use std::ops::Range;

use super::ast::{BinaryOp, Expr, ExprKind, Keyword, Subscript, UnaryOp};
use super::lexer::{Spanned, Token, error, tokenize};
use warpbook_diagnostic::{Diagnostic, Result};

/// Nesting beyond this is refused, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 64;
/// A tree higher than this is refused: `1 + 1 + …` and `a.T.T…` grow one without nesting, and are walked recursively.
const MAX_HEIGHT: usize = 500;

/// Parses a part of `text` as one expression. Spans and errors are in bytes of the whole `text`.
pub fn parse(text: &str, range: Range<usize>) -> Result<Expr> {
    let mut parser = Parser::new(text, range)?;
    let expression = parser.expression()?;
    parser.end()?;
    Ok(expression)
}

/// `[name[@version]][grid](args, kw=…)`, each part optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaunchHeader {
    /// The kernel's name and its place.
    pub name: Option<(String, Range<usize>)>,
    /// The text of the version's number, and its place.
    pub version: Option<(String, Range<usize>)>,
    /// One to three extents.
    pub grid: Option<Vec<Expr>>,
    /// Bytes of the grid with its brackets.
    pub grid_span: Range<usize>,
    /// Positional arguments, in order.
    pub args: Vec<Expr>,
    /// Keyword arguments, in order: constexprs and launch options.
    pub keywords: Vec<Keyword>,
    /// True if there were parentheses, even empty ones.
    pub has_call: bool,
    /// Bytes of the arguments with their parentheses.
    pub call_span: Range<usize>,
}

/// Parses a part of `text` as a launch header.
pub fn parse_launch(text: &str, range: Range<usize>) -> Result<LaunchHeader> {
    let mut parser = Parser::new(text, range)?;
    let mut header = LaunchHeader::default();
    if let Token::Name(name) = parser.peek().clone() {
        header.name = Some((name, parser.span()));
        parser.next();
    }
    if parser.accept("@") {
        // `2`, or `v2` as reports write it.
        let span = parser.span();
        match parser.peek().clone() {
            Token::Int(number) => header.version = Some((number.to_string(), span)),
            Token::Name(name) => header.version = Some((name, span)),
            _ => return Err(parser.unexpected("the number of a version")),
        }
        parser.next();
    }
    if parser.at("[") {
        let start = parser.span().start;
        parser.next();
        let mut grid = parser.list("]")?;
        if let [Expr { kind: ExprKind::Tuple(extents), .. }] = &mut grid[..] {
            grid = std::mem::take(extents);
        }
        header.grid_span = start..parser.previous_end();
        if grid.is_empty() || grid.len() > 3 {
            let error = Diagnostic::error("grid", "a grid has one to three extents");
            return Err(error.at(header.grid_span, format!("{} given", grid.len())));
        }
        header.grid = Some(grid);
    }
    if parser.at("(") {
        let start = parser.span().start;
        parser.next();
        (header.args, header.keywords) = parser.call_arguments()?;
        header.has_call = true;
        header.call_span = start..parser.previous_end();
    }
    parser.end()?;
    Ok(header)
}

/// A parser over a part of a text; for magics with a grammar of their own.
pub struct Parser {
    tokens: Vec<Spanned>,
    position: usize,
    depth: usize,
    /// The height of the expression that was read last.
    height: usize,
}

impl Parser {
    /// A parser at the start of `range`.
    pub fn new(text: &str, range: Range<usize>) -> Result<Self> {
        Ok(Self { tokens: tokenize(text, range)?, position: 0, depth: 0, height: 0 })
    }

    /// Takes a name if one comes next.
    pub fn name(&mut self) -> Option<(String, Range<usize>)> {
        let Token::Name(name) = self.peek().clone() else { return None };
        let span = self.span();
        self.next();
        Some((name, span))
    }

    /// Takes an operator or a bracket if it comes next.
    pub fn accept(&mut self, symbol: &str) -> bool {
        let found = self.at(symbol);
        if found {
            self.next();
        }
        found
    }

    /// Takes an operator or a bracket, which has to come next.
    pub fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.accept(symbol) { Ok(()) } else { Err(self.unexpected(&format!("`{symbol}`"))) }
    }

    /// True if the next token is this operator or bracket.
    pub fn at(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if *found == symbol)
    }

    /// True if every token has been read.
    pub fn at_end(&self) -> bool {
        *self.peek() == Token::End
    }

    /// An error unless everything is read.
    pub fn end(&self) -> Result<()> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected("the end of the expression")) }
    }

    /// The place of what comes next.
    pub fn span(&self) -> Range<usize> {
        self.tokens.get(self.position).or(self.tokens.last()).map_or(0..0, |token| token.span.clone())
    }

    /// An error about what comes next.
    pub fn unexpected(&self, expected: &str) -> Diagnostic {
        let mut diagnostic = error(&format!("expected {expected}"), self.span());
        let found = match self.peek() {
            Token::End => "the expression ends here".to_owned(),
            Token::Name(name) => format!("found `{name}`"),
            Token::Int(value) => format!("found `{value}`"),
            Token::Float(value) => format!("found `{value}`"),
            Token::Str(_) => "found a string".to_owned(),
            Token::Symbol(symbol) => format!("found `{symbol}`"),
        };
        if let Some(label) = diagnostic.labels.first_mut() {
            label.message = found;
        }
        diagnostic
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.position).map_or(&Token::End, |token| &token.token)
    }

    fn next(&mut self) {
        self.position = (self.position + 1).min(self.tokens.len().saturating_sub(1));
    }

    fn previous_end(&self) -> usize {
        self.position.checked_sub(1).and_then(|index| self.tokens.get(index)).map_or(0, |token| token.span.end)
    }

    fn accept_name(&mut self, name: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(found) if found == name);
        if found {
            self.next();
        }
        found
    }

    /// The expression read last is now part of one that stands on it and on others of height `other`.
    fn grow(&mut self, other: usize) -> Result<()> {
        self.height = self.height.max(other) + 1;
        if self.height > MAX_HEIGHT { Err(error("this is too long to be one expression", self.span())) } else { Ok(()) }
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(error("this is nested too deeply", self.span())) } else { Ok(()) }
    }

    /// One expression, conditional included.
    pub fn expression(&mut self) -> Result<Expr> {
        self.enter()?;
        let then = self.or()?;
        let expression = if self.accept_name("if") {
            let mut height = self.height;
            let condition = self.or()?;
            height = height.max(self.height);
            if !self.accept_name("else") {
                return Err(self.unexpected("`else`"));
            }
            let otherwise = self.expression()?;
            self.grow(height)?;
            let span = then.span.start..otherwise.span.end;
            let kind = ExprKind::Conditional {
                condition: Box::new(condition),
                then: Box::new(then),
                otherwise: Box::new(otherwise),
            };
            Expr { kind, span }
        } else {
            then
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn binary(&self, op: BinaryOp, op_span: Range<usize>, left: Expr, right: Expr) -> Expr {
        let span = left.span.start..right.span.end;
        Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right), op_span), span }
    }

    fn or(&mut self) -> Result<Expr> {
        let mut left = self.and()?;
        let mut op_span = self.span();
        while self.accept_name("or") {
            let height = self.height;
            let right = self.and()?;
            self.grow(height)?;
            left = self.binary(BinaryOp::Or, op_span, left, right);
            op_span = self.span();
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr> {
        let mut left = self.not()?;
        let mut op_span = self.span();
        while self.accept_name("and") {
            let height = self.height;
            let right = self.not()?;
            self.grow(height)?;
            left = self.binary(BinaryOp::And, op_span, left, right);
            op_span = self.span();
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr> {
        let start = self.span().start;
        if self.accept_name("not") {
            self.enter()?;
            let operand = self.not()?;
            self.depth -= 1;
            self.grow(0)?;
            let span = start..operand.span.end;
            return Ok(Expr { kind: ExprKind::Unary(UnaryOp::Not, Box::new(operand)), span });
        }
        self.level(0)
    }

    /// Left-associative operators, loosest first; one comparison only.
    fn level(&mut self, level: usize) -> Result<Expr> {
        const LEVELS: [&[(&str, BinaryOp)]; 7] = [
            &[
                ("<", BinaryOp::Less),
                ("<=", BinaryOp::LessEqual),
                (">", BinaryOp::Greater),
                (">=", BinaryOp::GreaterEqual),
                ("==", BinaryOp::Equal),
                ("!=", BinaryOp::NotEqual),
            ],
            &[("|", BinaryOp::BitOr)],
            &[("^", BinaryOp::BitXor)],
            &[("&", BinaryOp::BitAnd)],
            &[("<<", BinaryOp::ShiftLeft), (">>", BinaryOp::ShiftRight)],
            &[("+", BinaryOp::Add), ("-", BinaryOp::Subtract)],
            &[
                ("*", BinaryOp::Multiply),
                ("//", BinaryOp::FloorDivide),
                ("/", BinaryOp::Divide),
                ("%", BinaryOp::Remainder),
                ("@", BinaryOp::MatrixMultiply),
            ],
        ];
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        let mut compared = None;
        while let Some(&(symbol, op)) = operators.iter().find(|(symbol, _)| self.at(symbol)) {
            let op_span = self.span();
            let height = self.height;
            if let Some(earlier) = compared.replace(op_span.clone()).filter(|_| level == 0) {
                let error = Diagnostic::error("syntax", "comparisons are not chained").at(op_span, "");
                let error = error.because(earlier, "after this one");
                return Err(error.help("join two of them: `a < b and b < c`, or `&` for tensors"));
            }
            self.expect(symbol)?;
            let right = self.level(level + 1)?;
            self.grow(height)?;
            left = self.binary(op, op_span, left, right);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr> {
        let start = self.span().start;
        let op = match self.peek() {
            Token::Symbol("-") => UnaryOp::Negate,
            Token::Symbol("+") => UnaryOp::Plus,
            Token::Symbol("~") => UnaryOp::Invert,
            _ => return self.power(),
        };
        self.next();
        self.enter()?;
        let operand = self.unary()?;
        self.depth -= 1;
        self.grow(0)?;
        let span = start..operand.span.end;
        Ok(Expr { kind: ExprKind::Unary(op, Box::new(operand)), span })
    }

    fn power(&mut self) -> Result<Expr> {
        let base = self.postfix()?;
        let op_span = self.span();
        let height = self.height;
        if self.accept("**") {
            self.enter()?;
            let exponent = self.unary()?;
            self.depth -= 1;
            self.grow(height)?;
            return Ok(self.binary(BinaryOp::Power, op_span, base, exponent));
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Result<Expr> {
        let mut expression = self.atom()?;
        loop {
            let start = expression.span.start;
            let height = self.height;
            let kind = if self.accept(".") {
                let Some((name, _)) = self.name() else { return Err(self.unexpected("a name")) };
                ExprKind::Attribute(Box::new(expression), name)
            } else if self.accept("(") {
                let (args, keywords) = self.call_arguments()?;
                ExprKind::Call { callee: Box::new(expression), args, keywords }
            } else if self.accept("[") {
                ExprKind::Subscript(Box::new(expression), self.subscripts()?)
            } else {
                return Ok(expression);
            };
            self.grow(height)?;
            expression = Expr { kind, span: start..self.previous_end() };
        }
    }

    /// One of several expressions side by side; `height` becomes the largest height among them.
    fn item(&mut self, height: &mut usize) -> Result<Expr> {
        let item = self.expression()?;
        *height = self.height.max(*height);
        Ok(item)
    }

    fn call_arguments(&mut self) -> Result<(Vec<Expr>, Vec<Keyword>)> {
        let (mut args, mut keywords) = (Vec::new(), Vec::<Keyword>::new());
        let mut height = 0;
        while !self.at(")") {
            let is_keyword = matches!(self.peek(), Token::Name(_))
                && matches!(self.tokens.get(self.position + 1), Some(Spanned { token: Token::Symbol("="), .. }));
            if is_keyword {
                let Some((name, name_span)) = self.name() else { return Err(self.unexpected("a name")) };
                self.expect("=")?;
                if let Some(first) = keywords.iter().find(|keyword| keyword.name == name) {
                    let error = Diagnostic::error("syntax", format!("`{name}` is given twice"));
                    return Err(error.at(name_span, "").because(first.name_span.clone(), "first here"));
                }
                let value = self.item(&mut height)?;
                keywords.push(Keyword { name, name_span, value });
            } else {
                let span = self.span();
                args.push(self.item(&mut height)?);
                if !keywords.is_empty() {
                    return Err(error("a positional argument after a keyword argument", span));
                }
            }
            if !self.accept(",") {
                break;
            }
        }
        if !self.accept(")") {
            return Err(self.unexpected("`,` or `)`"));
        }
        self.height = height;
        Ok((args, keywords))
    }

    fn subscripts(&mut self) -> Result<Vec<Subscript>> {
        let mut subscripts = Vec::new();
        let mut height = 0;
        while !self.at("]") {
            let start = self.span().start;
            let stops = |this: &Self| this.at(":") || this.at(",") || this.at("]");
            let first = if stops(self) { None } else { Some(self.item(&mut height)?) };
            if self.accept(":") {
                let stop = if stops(self) { None } else { Some(self.item(&mut height)?) };
                let step = if self.accept(":") && !stops(self) { Some(self.item(&mut height)?) } else { None };
                subscripts.push(Subscript::Slice { start: first, stop, step, span: start..self.previous_end() });
            } else if let Some(index) = first {
                subscripts.push(Subscript::Index(index));
            } else {
                return Err(self.unexpected("an index"));
            }
            if !self.accept(",") {
                break;
            }
        }
        self.expect("]")?;
        if subscripts.is_empty() {
            return Err(error("an index is missing", self.previous_end().saturating_sub(1)..self.previous_end()));
        }
        self.height = height;
        Ok(subscripts)
    }

    fn list(&mut self, close: &str) -> Result<Vec<Expr>> {
        let mut items = Vec::new();
        let mut height = 0;
        while !self.at(close) {
            items.push(self.item(&mut height)?);
            if !self.accept(",") {
                break;
            }
        }
        if !self.accept(close) {
            return Err(self.unexpected(&format!("`,` or `{close}`")));
        }
        self.height = height;
        Ok(items)
    }

    fn atom(&mut self) -> Result<Expr> {
        let span = self.span();
        let kind = match self.peek().clone() {
            Token::Int(value) => ExprKind::Int(value),
            Token::Float(value) => ExprKind::Float(value),
            Token::Str(text) => ExprKind::Str(text),
            Token::Name(name) => match name.as_str() {
                "True" | "true" => ExprKind::Bool(true),
                "False" | "false" => ExprKind::Bool(false),
                "None" => ExprKind::None,
                "inf" => ExprKind::Float(f64::INFINITY),
                "nan" => ExprKind::Float(f64::NAN),
                _ => ExprKind::Name(name),
            },
            Token::Symbol("(") => return self.parenthesised(),
            Token::Symbol("[") => {
                self.next();
                self.enter()?;
                let items = self.list("]")?;
                self.depth -= 1;
                self.grow(0)?;
                return Ok(Expr { kind: ExprKind::List(items), span: span.start..self.previous_end() });
            }
            _ => return Err(self.unexpected("an expression")),
        };
        self.next();
        self.height = 1;
        Ok(Expr { kind, span })
    }

    fn parenthesised(&mut self) -> Result<Expr> {
        let start = self.span().start;
        self.next();
        self.enter()?;
        let mut items = Vec::new();
        let mut height = 0;
        let mut comma = false;
        while !self.at(")") {
            items.push(self.item(&mut height)?);
            comma = self.accept(",");
            if !comma {
                break;
            }
        }
        if !self.accept(")") {
            return Err(self.unexpected("`,` or `)`"));
        }
        self.depth -= 1;
        self.height = height;
        self.grow(0)?;
        let span = start..self.previous_end();
        match (items.pop(), comma) {
            (Some(only), false) if items.is_empty() => Ok(Expr { kind: only.kind, span }),
            (last, _) => {
                items.extend(last);
                Ok(Expr { kind: ExprKind::Tuple(items), span })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(expression: &Expr) -> String {
        match &expression.kind {
            ExprKind::Int(value) => value.to_string(),
            ExprKind::Float(value) => format!("{value:?}"),
            ExprKind::Name(name) => name.clone(),
            ExprKind::Unary(op, a) => format!("({op:?} {})", show(a)),
            ExprKind::Binary(op, a, b, _) => format!("({op:?} {} {})", show(a), show(b)),
            ExprKind::Call { callee, args, .. } => {
                format!("{}({})", show(callee), args.iter().map(show).collect::<Vec<_>>().join(" "))
            }
            ExprKind::Attribute(a, name) => format!("{}.{name}", show(a)),
            ExprKind::Tuple(items) => format!("<{}>", items.iter().map(show).collect::<Vec<_>>().join(" ")),
            other => format!("{other:?}"),
        }
    }

    fn parsed(text: &str) -> String {
        show(&parse(text, 0..text.len()).expect(text))
    }

    #[test]
    fn precedence_is_python_s() {
        assert_eq!(parsed("1 + 2 * -3 ** 2"), "(Add 1 (Multiply 2 (Negate (Power 3 2))))");
        assert_eq!(parsed("a @ b + c == d"), "(Equal (Add (MatrixMultiply a b) c) d)");
        assert_eq!(parsed("not a < 1 and b or c"), "(Or (And (Not (Less a 1)) b) c)");
        assert_eq!(parsed("cdiv(M, 128) * a.shape"), "(Multiply cdiv(M 128) a.shape)");
        assert_eq!(parsed("1_000 // 0x10 - .5"), "(Subtract (FloorDivide 1000 16) 0.5)");
        assert_eq!((parsed("(1,)"), parsed("(1)"), parsed("()")), ("<1>".into(), "1".into(), "<>".into()));
    }

    #[test]
    fn a_header_in_all_its_parts() {
        let text = "%%triton matmul[cdiv(M, BM),\n 2](a, b[64:], -1, BM=128)";
        let header = parse_launch(text, 9..text.len()).expect("parses");
        assert_eq!(
            header.name.as_ref().map(|(name, span)| (name.as_str(), &text[span.clone()])),
            Some(("matmul", "matmul"))
        );
        assert_eq!(header.grid.as_ref().map(Vec::len), Some(2));
        assert_eq!((header.args.len(), header.keywords.len()), (3, 1));
        assert_eq!(&text[header.args[1].span.clone()], "b[64:]");
        for text in ["", "k", "[3](a)", "k[1]"] {
            assert_eq!(parse_launch(text, 0..text.len()).expect(text).version, None);
        }
        for text in ["k@12", "k@v12[1](a)", "@12[1](a)"] {
            let version = parse_launch(text, 0..text.len()).expect(text).version;
            let at = text.find("12").unwrap_or_default();
            assert_eq!(version.map(|(number, span)| (number.replace('v', ""), span.end)), Some(("12".into(), at + 2)));
        }
    }

    #[test]
    fn errors_have_their_place_and_what_was_expected() {
        for (text, message, place) in [
            ("k[1](a b)", "expected `,` or `)`", "b"),
            ("k[1](a", "expected `,` or `)`", ""),
            ("k[](a)", "a grid has one to three extents", "[]"),
            ("k[1](a, x=1, x=2)", "`x` is given twice", "x"),
            ("k[1](x=1, a)", "a positional argument after a keyword argument", "a"),
            ("k[1](12ab)", "this is neither a number nor a name", "12a"),
            ("k[1](99999999999999999999)", "this number does not fit 64 bits", "99999999999999999999"),
            ("k[1](?)", "this character means nothing here", "?"),
            ("k[1](a) trailing", "expected the end of the expression", "trailing"),
        ] {
            let error = parse_launch(text, 0..text.len()).expect_err(text);
            assert_eq!(error.message, message, "{text}");
            assert_eq!(&text[error.labels[0].span.clone()], place, "{text}");
        }
        let deep = format!("{}1", "(".repeat(10_000));
        assert_eq!(parse(&deep, 0..deep.len()).expect_err("deep").message, "this is nested too deeply");
        let deep = "-".repeat(10_000);
        assert_eq!(parse(&deep, 0..deep.len()).expect_err("deep").message, "this is nested too deeply");
        let nested = format!("{}1{}", "(".repeat(25), format!("{})", "+1".repeat(30)).repeat(25));
        for long in ["1+".repeat(10_000) + "1", format!("a{}", ".T[0]".repeat(10_000)), "1 or ".repeat(10_000), nested]
        {
            let error = parse(&long, 0..long.len()).expect_err("long");
            assert_eq!(error.message, "this is too long to be one expression");
        }
        let wide = format!("[{}]", "1 + 2, ".repeat(10_000));
        assert!(parse(&wide, 0..wide.len()).is_ok());
        let chain = "a < b == c";
        let error = parse(chain, 0..chain.len()).expect_err("a chain");
        assert_eq!(
            (error.message.as_str(), &chain[error.labels[0].span.clone()]),
            ("comparisons are not chained", "==")
        );
        assert_eq!(parsed("(a < b) == c"), "(Equal (Less a b) c)");
    }
}
