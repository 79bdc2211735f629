//! Runs launches that another program asks for on the emulator, with their memory at any addresses: `tests/triton_suite/repeat.py`
//! and `repeat_on_gpu.py` repeat recorded launches with it.
//!
//! A request on standard input is a line of JSON ([`Request`]) and the bytes that it announces. The answer on standard
//! output is a line of JSON ([`Answer`]) and the bytes of each buffer that the launch has changed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use warpbook_device::{Code, Device, Emulated, FunctionId, Launch};
use warpbook_diagnostic::{Diagnostic, Source};
use warpbook_process::cancel::Cancel;

/// What the other program asks for.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
enum Request {
    /// PTX follows: `bytes` of it, known from now on by `name`.
    Module { name: String, bytes: usize },
    /// A launch; the bytes of its buffers follow, in order.
    Launch(LaunchRequest),
}

/// A launch of a module that was sent before.
#[derive(Deserialize)]
struct LaunchRequest {
    module: String,
    entry: String,
    /// The compute capability to emulate: 90.
    capability: u32,
    grid: [u32; 3],
    block: [u32; 3],
    cluster: [u32; 3],
    /// Bytes of dynamic shared memory.
    shared: u32,
    cooperative: bool,
    /// The parameters, each as wide as the kernel declares it.
    arguments: Vec<Vec<u8>>,
    buffers: Vec<BufferRequest>,
    /// True if races and missing waits are looked for; what is found is an error.
    check: bool,
}

/// A range of the other program's memory.
#[derive(Deserialize)]
struct BufferRequest {
    label: String,
    address: u64,
    bytes: usize,
}

/// What came out of a request.
#[derive(Default, Serialize)]
struct Answer {
    /// Text and code of the error that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorAnswer>,
    /// What the kernel has printed.
    printed: String,
    /// Warp instructions that were executed.
    instructions: u64,
    /// Indices of the buffers whose bytes follow.
    changed: Vec<usize>,
}

#[derive(Serialize)]
struct ErrorAnswer {
    code: String,
    text: String,
}

/// The modules that were sent, and a device for each capability.
#[derive(Default)]
struct Executor {
    texts: HashMap<String, String>,
    devices: HashMap<u32, Emulated>,
    functions: HashMap<(u32, String, String), FunctionId>,
}

type Outcome = Result<Answer, (Source, Diagnostic)>;

impl Executor {
    /// Carries out a launch whose buffers hold `before`, which becomes what they hold after it.
    fn launch(&mut self, request: LaunchRequest, before: &mut [Vec<u8>]) -> Outcome {
        let text = self.texts.get(&request.module).map_or("", String::as_str);
        let source = Source::new("ptx", text);
        let located = |error: Diagnostic| (source.clone(), error);
        let capability = request.capability;
        let device = self.devices.entry(capability).or_insert_with(|| Emulated::new(capability));
        let key = (capability, request.module.clone(), request.entry.clone());
        let function = match self.functions.get(&key) {
            Some(&function) => function,
            None => {
                let function = device.load(Code::Ptx(text), &request.entry).map_err(located)?;
                self.functions.insert(key, function);
                function
            }
        };
        let mut placed = Vec::new();
        let outcome = place(device, &request.buffers, before, &mut placed)
            .and_then(|()| run(device, function, &request, before))
            .map_err(located);
        for address in placed {
            device.free(address);
        }
        outcome
    }
}

fn place(
    device: &mut Emulated,
    buffers: &[BufferRequest],
    before: &[Vec<u8>],
    placed: &mut Vec<u64>,
) -> warpbook_diagnostic::Result<()> {
    for (buffer, bytes) in buffers.iter().zip(before) {
        device.allocate_at(&buffer.label, buffer.address, bytes.len() as u64)?;
        placed.push(buffer.address);
        device.write(buffer.address, bytes)?;
    }
    Ok(())
}

fn run(
    device: &mut Emulated,
    function: FunctionId,
    request: &LaunchRequest,
    contents: &mut [Vec<u8>],
) -> warpbook_diagnostic::Result<Answer> {
    let launch = Launch {
        function,
        grid: request.grid,
        block: request.block,
        cluster: request.cluster,
        shared: request.shared,
        extra_shared: 0,
        args: request.arguments.clone(),
        cooperative: request.cooperative,
        dependent: false,
        seed: 0,
        observe: None,
        check: request.check,
    };
    let printed = Mutex::new(String::new());
    let report = device.launch(&launch, &Cancel::new(), &|text| {
        printed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push_str(text);
    })?;
    let mut answer = Answer {
        printed: printed.into_inner().unwrap_or_default(),
        instructions: report.warp_instructions.unwrap_or_default(),
        ..Answer::default()
    };
    for (index, (buffer, bytes)) in request.buffers.iter().zip(contents.iter_mut()).enumerate() {
        let mut after = vec![0; bytes.len()];
        device.read(buffer.address, &mut after)?;
        if after != *bytes {
            answer.changed.push(index);
            *bytes = after;
        }
    }
    if let Some(finding) = report.checked.and_then(|checked| checked.findings.into_iter().next()) {
        let text = finding.to_plain();
        answer.error = Some(ErrorAnswer { code: finding.code.to_string(), text });
    }
    Ok(answer)
}

fn take(input: &mut impl Read, bytes: usize) -> std::io::Result<Vec<u8>> {
    let mut taken = vec![0; bytes];
    input.read_exact(&mut taken)?;
    Ok(taken)
}

fn main() -> std::io::Result<()> {
    let mut input = BufReader::with_capacity(1 << 20, std::io::stdin().lock());
    let mut output = std::io::stdout().lock();
    let mut executor = Executor::default();
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut contents = Vec::new();
        let answer = match serde_json::from_str(&line)? {
            Request::Module { name, bytes } => {
                let text = String::from_utf8_lossy(&take(&mut input, bytes)?).into_owned();
                executor.texts.insert(name, text);
                continue;
            }
            Request::Launch(request) => {
                for buffer in &request.buffers {
                    contents.push(take(&mut input, buffer.bytes)?);
                }
                executor.launch(request, &mut contents).unwrap_or_else(|(source, error)| {
                    let code = error.code.to_string();
                    let text = error.in_source(&source).to_plain();
                    Answer { error: Some(ErrorAnswer { code, text }), ..Answer::default() }
                })
            }
        };
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        for &index in &answer.changed {
            output.write_all(&contents[index])?;
        }
        output.flush()?;
    }
}
