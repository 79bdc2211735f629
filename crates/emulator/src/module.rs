//! A loaded PTX module and its kernels.

use std::collections::BTreeMap;

use crate::{decode, program};
use warpbook_diagnostic::{Diagnostic, Result, Source, interrupt};
use warpbook_ptx::{Function, Initializer};

/// A loaded PTX module.
pub struct Module {
    source: Source,
    syntax: warpbook_ptx::Module,
    kernels: BTreeMap<String, Kernel>,
    /// True if the last variable is the heap of `malloc`.
    has_heap: bool,
}

/// An entry function, decoded.
pub struct Kernel {
    pub(crate) program: program::Program,
    /// Offset and size of each parameter in the parameter block.
    pub(crate) parameters: Vec<(u32, u32)>,
    /// Pairs of multiplications and additions that PTX leaves open.
    contractible: u32,
    /// The declaration: parameters, `.reqntid` and so on.
    pub declaration: Function,
}

/// A module variable: its bytes, and the places where it holds another variable's address.
pub struct ModuleVariable {
    /// Name of the variable in the text.
    pub name: String,
    /// Bytes that the variable has when the module is loaded.
    pub bytes: Vec<u8>,
    /// (offset, name of the variable, addend)
    pub addresses: Vec<(u32, String, i64)>,
}

impl Module {
    /// Parses, checks and decodes PTX: what no GPU would take is refused. Errors have their place in the text.
    pub fn load(text: &str) -> Result<Self> {
        let syntax = warpbook_ptx::parse(text).map_err(|error| error.in_source(&Source::new("ptx", text)))?;
        Self::from_syntax(text, &syntax)
    }

    /// Decodes every kernel of a text that is parsed already. Errors have their place in the text.
    pub fn from_syntax(text: &str, syntax: &warpbook_ptx::Module) -> Result<Self> {
        let source = Source::new("ptx", text);
        let located = |error: Diagnostic| error.in_source(&source);
        bounded(&syntax.variables).map_err(located)?;
        warpbook_ptx::check::check(text, syntax).map_err(located)?;
        let mut kernels = BTreeMap::new();
        for entry in syntax.entries() {
            let program = decode::decode(syntax, entry).map_err(located)?;
            let offsets = decode::place::parameter_offsets(entry);
            let parameters = offsets.into_iter().zip(entry.params.iter().map(warpbook_ptx::Param::size)).collect();
            let declaration = without_body(entry);
            interrupt::check()?;
            let contractible = warpbook_ptx::contraction::candidates(entry).len() as u32;
            kernels.insert(entry.name.clone(), Kernel { program, parameters, contractible, declaration });
        }
        let has_heap = decode::place::has_heap(syntax);
        // The bodies are not needed again, and are most of the tree.
        let syntax = warpbook_ptx::Module {
            target: syntax.target.clone(),
            variables: syntax.variables.clone(),
            functions: syntax.functions.iter().map(without_body).collect(),
            files: syntax.files.clone(),
            ..*syntax
        };
        Ok(Self { source, syntax, kernels, has_heap })
    }

    /// The entry function of a name.
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.get(name)
    }

    /// The architecture that the code is written for, by its `.target`.
    pub fn target(&self) -> Option<warpbook_ptx::isa::forms::Architecture> {
        warpbook_ptx::isa::forms::Architecture::parse(&self.syntax.target)
    }

    /// Names of the entry functions.
    pub fn kernel_names(&self) -> impl Iterator<Item = &str> {
        self.kernels.keys().map(String::as_str)
    }

    /// The PTX, for diagnostics.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Variables of the module that live in global memory, in the order in which their addresses are to be given to
    /// [`globals`](crate::LaunchConfig::globals).
    pub fn variables(&self) -> Vec<ModuleVariable> {
        let variables = self.syntax.variables.iter().filter(|variable| decode::place::is_global(variable.space));
        let mut variables: Vec<ModuleVariable> = variables
            .map(|variable| {
                let (mut bytes, addresses) = match &variable.initializer {
                    Some(Initializer::Bytes(bytes)) => (bytes.clone(), Vec::new()),
                    Some(Initializer::WithSymbols(bytes, symbols)) => (bytes.clone(), symbols.clone()),
                    None => (Vec::new(), Vec::new()),
                };
                bytes.resize(variable.size as usize, 0);
                let addresses = addresses.into_iter().filter(|(offset, name, _)| {
                    let Some(address) = decode::place::function_address(&self.syntax, name) else { return true };
                    let place = *offset as usize..*offset as usize + 8;
                    if let Some(bytes) = bytes.get_mut(place) {
                        bytes.copy_from_slice(&address.to_le_bytes());
                    }
                    false
                });
                let addresses = addresses.collect();
                ModuleVariable { name: variable.name.clone(), bytes, addresses }
            })
            .collect();
        if self.has_heap {
            let name = "the heap of malloc".to_owned();
            variables.push(ModuleVariable { name, bytes: vec![0; decode::place::HEAP_BYTES], addresses: Vec::new() });
        }
        variables
    }

    /// True if the last variable is the heap of `malloc`.
    pub(crate) fn has_heap(&self) -> bool {
        self.has_heap
    }

    /// The path that a `.loc` names.
    pub(crate) fn file(&self, index: u32) -> Option<&str> {
        self.syntax.file(index)
    }
}

/// A function's declaration.
fn without_body(function: &Function) -> Function {
    Function {
        name: function.name.clone(),
        params: function.params.clone(),
        returns: function.returns.clone(),
        body: None,
        span: function.span.clone(),
        ..*function
    }
}

/// Bytes of a module's variables in global memory: more is a mistake, or an attack on the host's memory.
const MAX_VARIABLES: u64 = 256 << 20;

fn bounded(variables: &[warpbook_ptx::Variable]) -> Result<()> {
    let mut total = 0u64;
    for variable in variables.iter().filter(|variable| decode::place::is_global(variable.space)) {
        total = total.saturating_add(variable.size);
        if total > MAX_VARIABLES {
            let message =
                format!("{total} bytes of module variables are more than the emulator takes ({MAX_VARIABLES})");
            return Err(Diagnostic::error("ptx-variables", message).at(variable.span.clone(), ""));
        }
    }
    Ok(())
}

impl Kernel {
    /// Bytes of static shared memory.
    pub fn static_shared(&self) -> u32 {
        self.program.static_shared
    }

    /// Pairs of multiplications and additions that ptxas may contract into one rounding.
    pub fn contractible(&self) -> u32 {
        self.contractible
    }

    /// Bytes of local memory per thread.
    pub fn local_bytes(&self) -> u32 {
        self.program.local_bytes
    }
}
