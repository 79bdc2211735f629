//! The emulator behind a device host's socket: the kernel's side of a host, and its death, without a GPU.

use std::collections::HashMap;

use super::backend::{Answer, Backend};
use super::digest;
use super::protocol::{DriverError, Properties, Reply, Request};
use super::shared::SharedMemory;
use crate::{Code, Device, Emulated};
use warpbook_diagnostic::{Diagnostic, code};
use warpbook_process::cancel::Cancel;

/// An emulated GPU whose faults are fatal, as a real one's are.
pub struct EmulatedHost {
    device: Emulated,
    shared: SharedMemory,
    faulted: bool,
    bytes: HashMap<u64, u64>,
}

impl EmulatedHost {
    /// A GPU of this compute capability.
    pub fn new(capability: u32, shared: SharedMemory) -> Self {
        Self { device: Emulated::new(capability), shared, faulted: false, bytes: HashMap::new() }
    }
}

fn refused(error: Diagnostic) -> DriverError {
    DriverError {
        call: "the emulator".into(),
        // By the name that a GPU's driver has for it, where the kernel's side knows it.
        name: if error.code == code::OUT_OF_MEMORY { "CUDA_ERROR_OUT_OF_MEMORY" } else { error.code }.to_owned(),
        text: error.message.clone(),
        detail: String::new(),
    }
}

impl Backend for EmulatedHost {
    fn failed(&mut self, error: DriverError) -> Reply {
        match self.faulted {
            true => Reply::Lost { error, printed: String::new() },
            false => Reply::Refused { error },
        }
    }

    fn answer(&mut self, request: Request) -> Answer {
        let device = &mut self.device;
        Ok(match request {
            Request::Hello => Reply::Hello {
                properties: Properties {
                    name: device.name(),
                    capability: device.capability(),
                    shared_optin: device.shared_limit(),
                    ..Properties::default()
                },
            },
            Request::Allocate { bytes } => {
                let address = device.allocate("host", bytes).map_err(refused)?;
                self.bytes.insert(address, bytes);
                Reply::Address { address }
            }
            Request::Free { address } => {
                device.free(address);
                self.bytes.remove(&address);
                Reply::Done
            }
            Request::Write { address, bytes } => {
                device.write(address, self.shared.bytes(bytes)).map_err(refused)?;
                Reply::Done
            }
            Request::Read { address, bytes } => {
                device.read(address, self.shared.bytes_mut(bytes)).map_err(refused)?;
                Reply::Done
            }
            Request::Digest { spans } => {
                let mut digests = Vec::with_capacity(spans.len());
                for (address, bytes) in spans {
                    let mut copy = vec![0; bytes as usize];
                    device.read(address, &mut copy).map_err(refused)?;
                    digests.push(digest::digest(&copy));
                }
                Reply::Digests { digests }
            }
            Request::Load { bytes, entry } => {
                let code = self.shared.bytes(bytes);
                let code = std::str::from_utf8(code).map_or(Code::Cubin(code), Code::Ptx);
                let function = device.load(code, &entry).map_err(refused)?;
                Reply::Function { function: function.0, info: device.info(function) }
            }
            Request::Launch { launch } => {
                let printed = std::sync::Mutex::new(String::new());
                let print = |text: &str| {
                    if let Ok(mut printed) = printed.lock() {
                        printed.push_str(text);
                    }
                };
                let report = device.launch(&launch, &Cancel::new(), &print).map_err(|error| {
                    self.faulted = true;
                    refused(error)
                })?;
                let nanoseconds = u64::try_from(report.elapsed.as_nanos()).unwrap_or(u64::MAX);
                Reply::Launched {
                    nanoseconds,
                    host_nanoseconds: nanoseconds,
                    printed: printed.into_inner().unwrap_or_default(),
                }
            }
            Request::Time { launch, plan } => Reply::Timed {
                timing: device.time(&launch, &plan, &Cancel::new()).map_err(|error| {
                    self.faulted = true;
                    refused(error)
                })?,
            },
            Request::TensorMap { map } => Reply::TensorMap { bytes: device.tensor_map(&map).map_err(refused)? },
            Request::Occupancy { .. } => {
                return Err(DriverError {
                    call: "the emulator".into(),
                    name: "not a GPU".into(),
                    text: "the emulator has no driver to ask".into(),
                    detail: String::new(),
                });
            }
        })
    }
}
