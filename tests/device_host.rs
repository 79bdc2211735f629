//! The kernel's side of a device host: what becomes of memory when the host dies. The emulator stands behind the
//! socket here; tests/gpu does the same on a GPU.

use std::path::Path;
use std::sync::{PoisonError, RwLockReadGuard};

use warpbook_device::cuda::Hosted;
use warpbook_device::{Code, Device, FunctionId, Launch, TimingPlan};
use warpbook_process::cancel::Cancel;

use crate::devices::HOSTS;

/// A device host, and what keeps it from being killed by another test.
fn host() -> (Hosted, RwLockReadGuard<'static, ()>) {
    let alive = HOSTS.read().unwrap_or_else(PoisonError::into_inner);
    let host = Hosted::start_by("emu:sm_80", Path::new(env!("CARGO_BIN_EXE_warpbook"))).expect("the host starts");
    (host, alive)
}

/// Adds 1 to a word; stores to an address given besides, if it is not null; loops for ever if told to.
const KERNEL: &str = "
.version 8.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 word, .param .u64 wild, .param .u32 forever)
{
    .reg .pred %p<3>;
    .reg .b32 %r<4>;
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [word];
    ld.param.u64 %rd2, [wild];
    ld.param.u32 %r2, [forever];
    ld.global.u32 %r1, [%rd1];
    add.u32 %r1, %r1, 1;
    st.global.u32 [%rd1], %r1;
    setp.eq.u64 %p1, %rd2, 0;
    @%p1 bra $loop;
    st.global.u32 [%rd2], %r1;
$loop:
    setp.ne.u32 %p2, %r2, 0;
    @%p2 bra $loop;
    ret;
}
";

fn launch(function: FunctionId, word: u64, wild: u64, forever: u32) -> Launch {
    Launch {
        function,
        grid: [1; 3],
        block: [1; 3],
        cluster: [1; 3],
        shared: 0,
        extra_shared: 0,
        args: vec![word.to_le_bytes().into(), wild.to_le_bytes().into(), forever.to_le_bytes().into()],
        cooperative: false,
        dependent: false,
        check: false,
        seed: 0,
        observe: None,
    }
}

fn word(device: &Hosted, address: u64) -> u32 {
    let mut bytes = [0; 4];
    device.read(address, &mut bytes).expect("read");
    u32::from_le_bytes(bytes)
}

#[test]
fn more_than_the_shared_memory_holds_goes_there_and_back() {
    let (mut device, _alive) = host();
    let bytes: Vec<u8> = (0..70u32 << 20).map(|index| (index % 251) as u8).collect();
    let address = device.allocate("large", bytes.len() as u64).expect("memory");
    device.write(address, &bytes).expect("written");
    let mut back = vec![0; bytes.len()];
    device.read(address, &mut back).expect("read");
    assert!(back == bytes);
    assert!(device.write(address + 1, &bytes).is_err(), "a write beyond the end is refused");
}

#[test]
fn a_snapshot_sees_what_a_kernel_wrote() {
    let (mut device, _alive) = host();
    let address = device.allocate("word", 4).expect("memory");
    device.write(address, &7u32.to_le_bytes()).expect("written");
    let before = device.snapshot(&[(address, 4)]).expect("taken");
    let function = device.load(Code::Ptx(KERNEL), "k").expect("loaded");
    device.launch(&launch(function, address, 0, 0), &Cancel::new(), &|_| {}).expect("launched");
    let after = device.snapshot(&[(address, 4)]).expect("taken");
    assert_eq!((before[0][0], after[0][0]), (7, 8));
    let plan = TimingPlan { samples: Some(3), flush: true, graph: true, warm: false };
    let timing = device.time(&launch(function, address, 0, 0), &plan, &Cancel::new()).expect("timed");
    assert_eq!((timing.samples.len(), word(&device, address)), (3, 11));
}

#[test]
fn a_fault_loses_the_device_and_a_restart_gives_its_memory_back() {
    let (mut device, _alive) = host();
    let first = device.allocate("first", 4).expect("memory");
    let second = device.allocate("second", 4).expect("memory");
    let never_known = device.allocate("scratch", 4).expect("memory");
    device.write(first, &1u32.to_le_bytes()).expect("written");
    device.write(second, &2u32.to_le_bytes()).expect("written");
    let function = device.load(Code::Ptx(KERNEL), "k").expect("loaded");
    let error = device.launch(&launch(function, first, 16, 0), &Cancel::new(), &|_| {}).expect_err("it faults");
    assert!(device.is_lost(), "{error:?}");
    assert!(device.read(first, &mut [0; 4]).is_err(), "nothing can be read from a lost device");
    let moved = device.restart().expect("restarted");
    let new = |old: u64| moved.iter().find(|moved| moved.from == old).expect("every allocation is there");
    assert_eq!((word(&device, new(first).to), word(&device, new(second).to)), (1, 2));
    assert!(new(first).restored && new(second).restored && !new(never_known).restored);
    // Code is loaded again.
    let function = device.load(Code::Ptx(KERNEL), "k").expect("loaded");
    device.launch(&launch(function, new(first).to, 0, 0), &Cancel::new(), &|_| {}).expect("launched");
    assert_eq!(word(&device, new(first).to), 2);
}

#[test]
fn an_endless_kernel_is_interrupted() {
    let (mut device, _alive) = host();
    let address = device.allocate("word", 4).expect("memory");
    device.write(address, &5u32.to_le_bytes()).expect("written");
    let function = device.load(Code::Ptx(KERNEL), "k").expect("loaded");
    let cancel = Cancel::new();
    let error = std::thread::scope(|scope| {
        scope.spawn(|| cancel.cancel());
        device.launch(&launch(function, address, 0, 1), &cancel, &|_| {}).expect_err("it is endless")
    });
    assert!(error.is_interrupted(), "{error:?}");
    if device.is_lost() {
        device.restart().expect("restarted");
    }
}

#[test]
fn a_killed_host_is_seen_and_replaced() {
    let (mut device, _alive) = host();
    let address = device.allocate("word", 4).expect("memory");
    device.write(address, &9u32.to_le_bytes()).expect("written");
    let process = device.process_id().expect("it lives");
    let killed = std::process::Command::new("kill").args(["-9", &process.to_string()]).status().expect("kill runs");
    assert!(killed.success());
    // The signal may take a moment: the death shows in the next answer, or before any question is asked.
    while !device.is_lost() && device.read(address, &mut [0; 4]).is_ok() {
        std::thread::yield_now();
    }
    assert!(device.is_lost());
    let moved = device.restart().expect("restarted");
    assert_eq!(word(&device, moved[0].to), 9);
}

#[test]
fn a_gpu_that_is_not_there_is_said() {
    let error = Hosted::start_by("cuda:99", Path::new(env!("CARGO_BIN_EXE_warpbook"))).err().expect("refused");
    assert_eq!(error.code, "no-gpu", "{error:?}");
}
