//! The few questions that a measurement has for NVML, NVIDIA's management library.
//!
//! The library is opened by name at run time, like the driver: a machine without it answers none of them.

use std::ffi::{CStr, CString, c_char, c_void};

use libloading::Library;

/// `nvmlReturn_t`: 0 is success.
type Status = u32;
/// `nvmlDevice_t`: a pointer that belongs to the library.
type Handle = *mut c_void;

/// `NVML_CLOCK_SM`
const SM_CLOCK: u32 = 1;
/// `NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE`
const VERSION_LENGTH: u32 = 80;

/// Reasons for a lowered clock: bits of `nvmlClocksThrottleReason…`, and the words for them.
const THROTTLE_REASONS: [(u64, &str); 5] = [
    (0x04, "the power limit"),
    (0x08, "a hardware slowdown"),
    (0x20, "temperature"),
    (0x40, "temperature (hardware)"),
    (0x80, "an external power brake"),
];

type Init = unsafe extern "C" fn() -> Status;
type Shutdown = unsafe extern "C" fn() -> Status;
type SystemDriverVersion = unsafe extern "C" fn(*mut c_char, u32) -> Status;
type HandleByBusId = unsafe extern "C" fn(*const c_char, *mut Handle) -> Status;
type ClockInfo = unsafe extern "C" fn(Handle, u32, *mut u32) -> Status;
type ThrottleReasons = unsafe extern "C" fn(Handle, *mut u64) -> Status;

/// The library, initialised until it is dropped.
pub struct Nvml {
    functions: Functions,
    /// Holds the code of `functions`.
    _library: Library,
}

struct Functions {
    shutdown: Shutdown,
    driver_version: SystemDriverVersion,
    handle_by_bus_id: HandleByBusId,
    clock_info: ClockInfo,
    throttle_reasons: ThrottleReasons,
}

impl Nvml {
    /// Opens the library. None if there is none, if it lacks one of the functions, or if it does not initialise.
    pub fn open() -> Option<Self> {
        // SAFETY: NVML documents no condition on who loads it, and when.
        let library = unsafe { Library::new("libnvidia-ml.so.1") }.ok()?;
        // SAFETY: the types above are the signatures that nvml.h gives the functions of these names. The pointers are
        // called only while the library is open: it stands beside them in `Nvml`.
        let (init, nvml) = unsafe {
            let init = *library.get::<Init>(b"nvmlInit_v2\0").ok()?;
            let nvml = Functions {
                shutdown: *library.get(b"nvmlShutdown\0").ok()?,
                driver_version: *library.get(b"nvmlSystemGetDriverVersion\0").ok()?,
                handle_by_bus_id: *library.get(b"nvmlDeviceGetHandleByPciBusId_v2\0").ok()?,
                clock_info: *library.get(b"nvmlDeviceGetClockInfo\0").ok()?,
                throttle_reasons: *library.get(b"nvmlDeviceGetCurrentClocksThrottleReasons\0").ok()?,
            };
            (init, nvml)
        };
        // SAFETY: the function takes no arguments; `Drop` has the call of `nvmlShutdown` that belongs to it.
        let status = unsafe { init() };
        (status == 0).then_some(Self { functions: nvml, _library: library })
    }

    /// The version of the driver's package, such as `580.82.07`.
    pub fn driver_version(&self) -> Option<String> {
        let mut text = [0_u8; VERSION_LENGTH as usize];
        // SAFETY: the library is initialised, and `text` has as many bytes as the second argument says.
        let status = unsafe { (self.functions.driver_version)(text.as_mut_ptr().cast(), VERSION_LENGTH) };
        let text = CStr::from_bytes_until_nul(&text).ok()?;
        (status == 0).then(|| text.to_string_lossy().into_owned())
    }

    /// The clock of the multiprocessors of the GPU at a PCI bus id, in MHz.
    pub fn sm_clock(&self, bus_id: &str) -> Option<u32> {
        let gpu = self.gpu(bus_id)?;
        let mut clock = 0;
        // SAFETY: the library is initialised and gave the handle; it writes one `unsigned int`.
        let status = unsafe { (self.functions.clock_info)(gpu, SM_CLOCK, &raw mut clock) };
        (status == 0).then_some(clock)
    }

    /// Why the clocks of the GPU at a PCI bus id are held down now; empty if they are not.
    pub fn throttle_reasons(&self, bus_id: &str) -> Option<Vec<&'static str>> {
        let gpu = self.gpu(bus_id)?;
        let mut reasons = 0;
        // SAFETY: the library is initialised and gave the handle; it writes one `unsigned long long`.
        let status = unsafe { (self.functions.throttle_reasons)(gpu, &raw mut reasons) };
        let known = THROTTLE_REASONS.iter().filter(|(bit, _)| reasons & bit != 0);
        (status == 0).then(|| known.map(|(_, words)| *words).collect())
    }

    fn gpu(&self, bus_id: &str) -> Option<Handle> {
        let bus_id = CString::new(bus_id).ok()?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the library is initialised; it reads a string that ends with a zero, and writes one handle.
        let status = unsafe { (self.functions.handle_by_bus_id)(bus_id.as_ptr(), &raw mut handle) };
        (status == 0).then_some(handle)
    }
}

impl Drop for Nvml {
    fn drop(&mut self) {
        // SAFETY: the library is initialised, and no handle of it outlives the method that got it.
        unsafe { (self.functions.shutdown)() };
    }
}
