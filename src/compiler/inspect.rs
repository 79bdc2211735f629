//! What is looked at besides compiling.

use base64::Engine;
use serde_json::json;

use super::{Compiler, Progress};
use crate::cancel::Cancel;
use crate::diagnostic::{Diagnostic, Result};

impl Compiler {
    /// A cubin's machine code as the `nvdisasm` of a version of Triton lists it: encodings, and the PTX line of each
    /// instruction. [`crate::ir::sass`] reads it.
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
                Err(Box::new(notes.filter_map(|note| note.as_str()).fold(error, Diagnostic::note)))
            }
        }
    }
}
