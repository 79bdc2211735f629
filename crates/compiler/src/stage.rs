//! The stages of the Triton compiler, and what each of them produces.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use warpbook_diagnostic::{Diagnostic, Result, code};
use warpbook_process::memory;

/// A stage of the compiler, in the order of lowering. `Triton` and `Gluon` are two ways in at the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Python source with `@triton.jit`.
    Triton,
    /// Python source with `@gluon.jit`; lowers to TTGIR without TTIR.
    Gluon,
    /// What Gluon's front end writes (MLIR), before the passes that choose open layouts; a stage from Triton 3.9 on.
    Glir,
    /// Triton IR (MLIR), before layouts.
    Ttir,
    /// Triton GPU IR (MLIR), with layouts.
    Ttgir,
    /// LLVM IR for NVPTX.
    Llir,
    /// PTX assembly, the text that ptxas and the emulator take.
    Ptx,
    /// The ELF file that ptxas writes.
    Cubin,
    /// Disassembled machine code; can be looked at, not entered.
    Sass,
}

impl Stage {
    /// Every stage that a cell can enter at.
    pub const ENTRIES: [Self; 8] =
        [Self::Triton, Self::Gluon, Self::Glir, Self::Ttir, Self::Ttgir, Self::Llir, Self::Ptx, Self::Cubin];

    /// The name of the cell magic and the extension of the file: `ttgir`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Triton => "triton",
            Self::Gluon => "gluon",
            Self::Glir => "glir",
            Self::Ttir => "ttir",
            Self::Ttgir => "ttgir",
            Self::Llir => "llir",
            Self::Ptx => "ptx",
            Self::Cubin => "cubin",
            Self::Sass => "sass",
        }
    }

    /// The stage after this one; `None` after `Cubin` and `Sass`.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Triton => Some(Self::Ttir),
            Self::Gluon | Self::Glir | Self::Ttir => Some(Self::Ttgir),
            Self::Ttgir => Some(Self::Llir),
            Self::Llir => Some(Self::Ptx),
            Self::Ptx => Some(Self::Cubin),
            Self::Cubin | Self::Sass => None,
        }
    }

    /// True if the stage's text is MLIR.
    pub fn is_mlir(self) -> bool {
        matches!(self, Self::Glir | Self::Ttir | Self::Ttgir)
    }

    /// True if the stage's text is Python.
    pub fn is_python(self) -> bool {
        matches!(self, Self::Triton | Self::Gluon)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Stage {
    type Err = ();

    fn from_str(name: &str) -> std::result::Result<Self, ()> {
        Self::ENTRIES.into_iter().chain([Self::Sass]).find(|stage| stage.name() == name).ok_or(())
    }
}

/// What a stage produced, or what a cell entered at it. Content-addressed. Clones share the syntax tree of PTX.
#[derive(Clone)]
pub struct Artifact {
    /// The stage that this is the text (or the ELF file) of.
    pub stage: Stage,
    /// UTF-8 text for every stage but `Cubin`.
    pub content: Arc<[u8]>,
    /// SHA-256 of `content`.
    pub hash: [u8; 32],
    /// The syntax tree of PTX, filled at the first call of [`Self::syntax`].
    syntax: Arc<OnceLock<Result<warpbook_ptx::Module>>>,
}

impl PartialEq for Artifact {
    fn eq(&self, other: &Self) -> bool {
        self.stage == other.stage && self.hash == other.hash
    }
}

impl Eq for Artifact {}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifact").field("stage", &self.stage).field("bytes", &self.content.len()).finish()
    }
}

impl Artifact {
    /// Takes the content and hashes it.
    pub fn new(stage: Stage, content: impl Into<Arc<[u8]>>) -> Self {
        let content = content.into();
        let hash = Sha256::digest(&content).into();
        Self { stage, content, hash, syntax: Arc::default() }
    }

    /// The text; `None` for a cubin, or if the bytes are no UTF-8.
    pub fn text(&self) -> Option<&str> {
        if self.stage == Stage::Cubin { None } else { std::str::from_utf8(&self.content).ok() }
    }

    /// The syntax tree of PTX; parsed at the first call. Spans of an error are bytes of the text.
    pub fn syntax(&self) -> Result<&warpbook_ptx::Module> {
        let parsed = match self.syntax.get() {
            Some(parsed) => parsed,
            None => {
                let parsed = match (self.stage, self.text()) {
                    (Stage::Ptx, Some(text)) => parse(text),
                    (stage, _) => Err(Diagnostic::error("no-ptx", format!("this is {stage}, not PTX"))),
                };
                // An interrupt and a lack of memory say nothing of the text: the next call tries again.
                if let Err(error) = &parsed
                    && (error.is_interrupted() || error.code == code::OUT_OF_MEMORY)
                {
                    return Err(error.clone());
                }
                self.syntax.get_or_init(|| parsed)
            }
        };
        parsed.as_ref().map_err(Clone::clone)
    }
}

/// Bytes of memory that the tokens and the syntax tree of a byte of PTX take, measured on kernels of Triton.
const MEMORY_OF_SYNTAX: u64 = 32;

/// Parses PTX, if there is memory for what becomes of it.
fn parse(text: &str) -> Result<warpbook_ptx::Module> {
    let wanted = (text.len() as u64).checked_mul(MEMORY_OF_SYNTAX);
    let what = || format!("the syntax tree of {} of PTX", memory::size(text.len() as u64));
    memory::check(wanted).map_err(|shortage| shortage.diagnostic(&what()))?;
    warpbook_ptx::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use warpbook_diagnostic::interrupt;

    #[test]
    fn an_interrupted_parse_is_no_fact_about_the_text() {
        let nothing = "// a comment\n".repeat(20_000);
        let text = format!(".version 8.4\n.target sm_80\n.address_size 64\n{nothing}.visible .entry k() {{ ret; }}\n");
        let artifact = Artifact::new(Stage::Ptx, text.as_bytes());
        let flag = Arc::new(AtomicBool::new(true));
        assert!(interrupt::under(&flag, || artifact.syntax().expect_err("interrupted").is_interrupted()));
        flag.store(false, Ordering::Relaxed);
        assert_eq!(interrupt::under(&flag, || artifact.syntax().map(|module| module.entries().count())), Ok(1));
    }
}
