//! The CUDA driver API, as much of it as the device host needs: each call checked, each handle with its owner.
//!
//! The driver is loaded at run time (`libcuda.so.1`): without one, [`Context::new`] says so and nothing else is called.

use std::ffi::{CStr, CString, c_int, c_uint, c_void};
use std::ptr;

use cudarc::driver::sys;
use sys::{CUdevice_attribute_enum as DeviceAttribute, CUfunction_attribute_enum as FunctionAttribute, CUresult};

use super::nvml;
use super::protocol::{DriverError, Properties};
use crate::{FunctionInfo, Launch, Occupancy, TENSOR_MAP_BYTES, TensorMap};
use warpbook_gpu::Limiter;

/// A driver call's outcome.
pub type Result<T> = std::result::Result<T, DriverError>;

/// A byte string of the driver as text.
fn text(of: unsafe fn(CUresult, *mut *const std::ffi::c_char) -> CUresult, code: CUresult) -> String {
    let mut text = ptr::null();
    // SAFETY: the driver writes a pointer to a static string, or null for a code that it does not know.
    unsafe {
        let _ = of(code, &raw mut text);
        if text.is_null() { format!("error {}", code as u32) } else { CStr::from_ptr(text).to_string_lossy().into() }
    }
}

/// `Err` with the driver's words unless the call went well.
fn check(call: &str, code: CUresult) -> Result<()> {
    if code == CUresult::CUDA_SUCCESS {
        return Ok(());
    }
    Err(DriverError {
        call: call.to_owned(),
        name: text(sys::cuGetErrorName, code),
        text: text(sys::cuGetErrorString, code),
        detail: String::new(),
    })
}

/// Calls a function of the driver and checks its result.
macro_rules! cuda {
    ($function:ident($($argument:expr),* $(,)?)) => {
        check(stringify!($function), sys::$function($($argument),*))
    };
}

/// True if there is a driver at all.
pub fn is_present() -> bool {
    // SAFETY: opens the library and closes it again.
    unsafe { sys::is_culib_present() }
}

/// The context of one GPU, current in the thread that made it; everything here is called from that thread.
pub struct Context {
    device: sys::CUdevice,
    /// Name, architecture and sizes of the GPU.
    pub properties: Properties,
    stream: sys::CUstream,
    begin: Event,
    end: Event,
    threads_per_multiprocessor: u32,
    blocks_per_multiprocessor: u32,
}

impl Context {
    /// Makes the context of GPU number `ordinal`.
    pub fn new(ordinal: u32) -> Result<Self> {
        let absent = |call: &str, text: String| DriverError {
            call: call.to_owned(),
            name: "no CUDA driver".to_owned(),
            text,
            detail: String::new(),
        };
        if !is_present() {
            return Err(absent(
                "dlopen",
                "libcuda.so.1 was not found: there is no NVIDIA driver on this machine".into(),
            ));
        }
        let mut device = 0;
        let mut context = ptr::null_mut();
        let mut stream = ptr::null_mut();
        let count = device_count()?;
        if ordinal >= count {
            let text = format!("there is no GPU number {ordinal}: this machine has {count}");
            return Err(absent("cuDeviceGet", text));
        }
        // SAFETY: each call writes to a variable of the type that it asks for.
        unsafe {
            cuda!(cuDeviceGet(&raw mut device, ordinal as c_int))?;
            cuda!(cuDevicePrimaryCtxRetain(&raw mut context, device))?;
            cuda!(cuCtxSetCurrent(context))?;
            cuda!(cuStreamCreate(&raw mut stream, sys::CUstream_flags_enum::CU_STREAM_NON_BLOCKING as c_uint))?;
        }
        use DeviceAttribute as A;
        let attribute = |which| attribute(device, which);
        let capability = attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)? * 10
            + attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let properties = Properties {
            name: name(device)?,
            capability,
            driver: driver_version()?,
            package: nvml::driver_package(),
            memory: memory(device)?,
            l2: attribute(A::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)?.into(),
            multiprocessors: attribute(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
            shared_optin: attribute(A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
            machine_code: true,
        };
        Ok(Self {
            device,
            properties,
            stream,
            begin: Event::new()?,
            end: Event::new()?,
            threads_per_multiprocessor: attribute(A::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR)?,
            blocks_per_multiprocessor: attribute(A::CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR)?,
        })
    }

    /// The GPU's place on the bus, by which NVML knows it.
    pub fn bus_id(&self) -> Result<String> {
        let mut bytes = [0; 32];
        // SAFETY: the driver writes at most the length that it is told, NUL included.
        unsafe {
            cuda!(cuDeviceGetPCIBusId(bytes.as_mut_ptr(), bytes.len() as c_int, self.device))?;
            Ok(CStr::from_ptr(bytes.as_ptr()).to_string_lossy().into_owned())
        }
    }

    /// Allocates device memory.
    pub fn allocate(&self, bytes: u64) -> Result<u64> {
        let mut address = 0;
        // SAFETY: the driver writes an address.
        unsafe { cuda!(cuMemAlloc_v2(&raw mut address, bytes.max(1) as usize))? };
        Ok(address)
    }

    /// Frees device memory. The driver refuses an address that is not an allocation.
    pub fn free(&self, address: u64) -> Result<()> {
        // SAFETY: an address that is no allocation is refused by the driver.
        unsafe { cuda!(cuMemFree_v2(address)) }
    }

    /// Makes host memory known to the driver, so that copies need no detour. It has to live as long as the context.
    pub fn register(&self, start: *mut u8, bytes: usize) -> Result<()> {
        // SAFETY: the caller owns the mapping of this many bytes.
        unsafe { cuda!(cuMemHostRegister_v2(start.cast(), bytes, 0)) }
    }

    /// Copies to the device.
    pub fn write(&self, address: u64, from: &[u8]) -> Result<()> {
        // SAFETY: the source is a slice; the driver checks the destination.
        unsafe { cuda!(cuMemcpyHtoDAsync_v2(address, from.as_ptr().cast(), from.len(), self.stream))? };
        self.synchronize()
    }

    /// Copies from the device to `bytes` bytes of host memory at `to`, which have to be there.
    pub fn read(&self, to: *mut u8, address: u64, bytes: usize) -> Result<()> {
        // SAFETY: by the function's contract; the driver checks the source.
        unsafe { cuda!(cuMemcpyDtoHAsync_v2(to.cast(), address, bytes, self.stream))? };
        self.synchronize()
    }

    /// Fills device memory with zeros, in stream order.
    pub fn zero(&self, address: u64, bytes: u64) -> Result<()> {
        // SAFETY: the driver checks the address.
        unsafe { cuda!(cuMemsetD8Async(address, 0, bytes as usize, self.stream)) }
    }

    /// Waits for everything that was submitted. A fault of a kernel shows here.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the stream lives as long as `self`.
        unsafe { cuda!(cuStreamSynchronize(self.stream)) }
    }

    /// Loads a module; what the driver's compiler has to say about PTX comes with it, or in the error's detail.
    pub fn load(&self, image: &[u8]) -> Result<(Module, String)> {
        use sys::CUjit_option_enum as O;
        // The driver wants PTX to end with NUL.
        let mut image = image.to_vec();
        image.push(0);
        const LOG: usize = 1 << 16;
        let (mut information, mut errors) = (vec![0u8; LOG], vec![0u8; LOG]);
        let mut options = [
            O::CU_JIT_INFO_LOG_BUFFER,
            O::CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES,
            O::CU_JIT_ERROR_LOG_BUFFER,
            O::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
            O::CU_JIT_LOG_VERBOSE,
        ];
        let mut values: [*mut c_void; 5] = [
            information.as_mut_ptr().cast(),
            ptr::without_provenance_mut(LOG),
            errors.as_mut_ptr().cast(),
            ptr::without_provenance_mut(LOG),
            ptr::without_provenance_mut(1),
        ];
        let mut module = ptr::null_mut();
        // SAFETY: the image ends with NUL; options and values are as many as said and live through the call.
        let loaded = unsafe {
            cuda!(cuModuleLoadDataEx(
                &raw mut module,
                image.as_ptr().cast(),
                options.len() as c_uint,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            ))
        };
        let log = |bytes: &[u8]| {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
        };
        match loaded {
            Ok(()) => Ok((Module(module), log(&information))),
            Err(error) => Err(DriverError { detail: log(&errors), ..error }),
        }
    }

    /// Number of blocks of a launch that fit on an SM.
    pub fn occupancy(&self, function: &Function, launch: &Launch) -> Result<Occupancy> {
        let threads = launch.block.iter().product::<u32>();
        let blocks = |shared: u32| {
            let mut blocks = 0;
            // SAFETY: the driver writes a number.
            unsafe {
                cuda!(cuOccupancyMaxActiveBlocksPerMultiprocessor(
                    &raw mut blocks,
                    function.handle,
                    threads as c_int,
                    shared as usize
                ))?;
            }
            Ok(u32::try_from(blocks).unwrap_or(0))
        };
        function.allow_shared(launch.shared)?;
        let resident = blocks(launch.shared)?;
        let limiter = if blocks(0)? > resident {
            Limiter::Shared
        } else if resident == self.blocks_per_multiprocessor {
            Limiter::Blocks
        } else if resident == self.threads_per_multiprocessor / threads.max(1) {
            Limiter::Warps
        } else {
            Limiter::Registers
        };
        let warps = resident * threads.div_ceil(32);
        Ok(Occupancy { blocks: resident, warps, warps_limit: self.threads_per_multiprocessor / 32, limiter })
    }

    /// Submits a launch; does not wait.
    pub fn submit(&self, prepared: &Prepared<'_>) -> Result<()> {
        let config = prepared.config(self.stream);
        // SAFETY: the parameters are as many and as long as the function's, which `Prepared::new` checked; the driver
        // copies them before it returns.
        unsafe {
            cuda!(cuLaunchKernelEx(
                &raw const config,
                prepared.function,
                prepared.pointers.as_ptr().cast_mut(),
                ptr::null_mut()
            ))
        }
    }

    /// Submits a launch by the shortest way that the driver has, for comparison. Clusters and attributes are left out.
    pub fn submit_bare(&self, prepared: &Prepared<'_>) -> Result<()> {
        let ([gx, gy, gz], [bx, by, bz]) = (prepared.grid, prepared.block);
        // SAFETY: as in `submit`.
        unsafe {
            cuda!(cuLaunchKernel(
                prepared.function,
                gx,
                gy,
                gz,
                bx,
                by,
                bz,
                prepared.shared,
                self.stream,
                prepared.pointers.as_ptr().cast_mut(),
                ptr::null_mut()
            ))
        }
    }

    /// Runs what `work` submits between two events and returns the GPU's time for it, in nanoseconds.
    pub fn timed(&self, work: impl FnOnce() -> Result<()>) -> Result<u64> {
        self.record(&self.begin)?;
        work()?;
        self.record(&self.end)?;
        self.synchronize()?;
        self.begin.nanoseconds_to(&self.end)
    }

    /// Marks a point of the stream.
    pub fn record(&self, event: &Event) -> Result<()> {
        // SAFETY: both handles are alive.
        unsafe { cuda!(cuEventRecord(event.0, self.stream)) }
    }

    /// A graph of what `work` submits.
    pub fn capture(&self, work: impl FnOnce() -> Result<()>) -> Result<Graph> {
        let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        let mut graph = ptr::null_mut();
        let mut executable = ptr::null_mut();
        // SAFETY: capture begins and ends on our own stream; handles are written to variables of their types.
        unsafe {
            cuda!(cuStreamBeginCapture_v2(self.stream, mode))?;
            let submitted = work();
            let ended = cuda!(cuStreamEndCapture(self.stream, &raw mut graph));
            submitted.and(ended)?;
            let made = cuda!(cuGraphInstantiateWithFlags(&raw mut executable, graph, 0));
            let _ = sys::cuGraphDestroy(graph);
            made?;
        }
        Ok(Graph(executable))
    }

    /// Submits a graph.
    pub fn replay(&self, graph: &Graph) -> Result<()> {
        // SAFETY: both handles are alive.
        unsafe { cuda!(cuGraphLaunch(graph.0, self.stream)) }
    }

    /// The driver's encoding of a tensor map.
    pub fn tensor_map(&self, map: &TensorMap) -> Result<Vec<u8>> {
        let rank = map.rank();
        if map.strides.len() + 1 != rank || map.tile.len() != rank || map.element_strides.len() != rank {
            return Err(DriverError {
                call: "cuTensorMapEncodeTiled".into(),
                name: "CUDA_ERROR_INVALID_VALUE".into(),
                text: "the fields have different lengths".into(),
                detail: String::new(),
            });
        }
        if map.element.is_packed() {
            return Err(DriverError {
                call: "cuTensorMapEncodeTiled".into(),
                name: "CUDA_ERROR_NOT_SUPPORTED".into(),
                text: "elements of less than a byte need the driver of CUDA 12.8, and Warpbook uses that of 12.4"
                    .into(),
                detail: String::new(),
            });
        }
        let mut encoded = sys::CUtensorMap { opaque: [0; TENSOR_MAP_BYTES / 8] };
        // SAFETY: `TensorMapType`, `Interleave`, `Swizzle` have the driver's numbers, and each enumeration of the
        // driver that a number becomes has that member (13 types, 3 interleaves, 4 swizzles, 4 promotions, 2 fills).
        unsafe {
            let kind = std::mem::transmute::<u32, sys::CUtensorMapDataType>(map.element as u32);
            let interleave = std::mem::transmute::<u32, sys::CUtensorMapInterleave>(map.interleave as u32);
            let swizzle = std::mem::transmute::<u32, sys::CUtensorMapSwizzle>(map.swizzle as u32);
            let promotion = std::mem::transmute::<u32, sys::CUtensorMapL2promotion>(map.l2_promotion.min(3).into());
            let fill = std::mem::transmute::<u32, sys::CUtensorMapFloatOOBfill>(map.fill_nan.into());
            cuda!(cuTensorMapEncodeTiled(
                &raw mut encoded,
                kind,
                rank as u32,
                ptr::without_provenance_mut(map.address as usize),
                map.dims.as_ptr(),
                map.strides.as_ptr(),
                map.tile.as_ptr(),
                map.element_strides.as_ptr(),
                interleave,
                swizzle,
                promotion,
                fill,
            ))?;
        }
        Ok(encoded.opaque.iter().flat_map(|word| word.to_le_bytes()).collect())
    }
}

/// GPUs that the driver sees.
pub fn device_count() -> Result<u32> {
    let mut count = 0;
    // SAFETY: the driver writes a number.
    unsafe {
        cuda!(cuInit(0))?;
        cuda!(cuDeviceGetCount(&raw mut count))?;
    }
    Ok(u32::try_from(count).unwrap_or(0))
}

fn attribute(device: sys::CUdevice, which: DeviceAttribute) -> Result<u32> {
    let mut value = 0;
    // SAFETY: the driver writes a number.
    unsafe { cuda!(cuDeviceGetAttribute(&raw mut value, which, device))? };
    Ok(u32::try_from(value).unwrap_or(0))
}

fn name(device: sys::CUdevice) -> Result<String> {
    let mut bytes = [0; 256];
    // SAFETY: the driver writes at most the length that it is told, NUL included.
    unsafe {
        cuda!(cuDeviceGetName(bytes.as_mut_ptr(), bytes.len() as c_int, device))?;
        Ok(CStr::from_ptr(bytes.as_ptr()).to_string_lossy().into_owned())
    }
}

fn memory(device: sys::CUdevice) -> Result<u64> {
    let mut bytes = 0;
    // SAFETY: the driver writes a number.
    unsafe { cuda!(cuDeviceTotalMem_v2(&raw mut bytes, device))? };
    Ok(bytes as u64)
}

fn driver_version() -> Result<u32> {
    let mut version = 0;
    // SAFETY: the driver writes a number.
    unsafe { cuda!(cuDriverGetVersion(&raw mut version))? };
    Ok(u32::try_from(version).unwrap_or(0))
}

/// A point in a stream.
pub struct Event(sys::CUevent);

impl Event {
    /// An event that measures time.
    pub fn new() -> Result<Self> {
        let mut event = ptr::null_mut();
        // SAFETY: the driver writes a handle.
        unsafe { cuda!(cuEventCreate(&raw mut event, sys::CUevent_flags_enum::CU_EVENT_DEFAULT as c_uint))? };
        Ok(Self(event))
    }

    /// GPU time from this event to a later one, both reached.
    pub fn nanoseconds_to(&self, later: &Self) -> Result<u64> {
        let mut milliseconds = 0.0f32;
        // SAFETY: the driver writes a number.
        unsafe { cuda!(cuEventElapsedTime(&raw mut milliseconds, self.0, later.0))? };
        Ok((f64::from(milliseconds) * 1e6) as u64)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the handle is ours.
        let _ = unsafe { sys::cuEventDestroy_v2(self.0) };
    }
}

/// Work that can be submitted again as a whole.
pub struct Graph(sys::CUgraphExec);

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: the handle is ours.
        let _ = unsafe { sys::cuGraphExecDestroy(self.0) };
    }
}

/// Loaded code. It stays loaded as long as the context.
pub struct Module(sys::CUmodule);

impl Module {
    /// A kernel of the module.
    pub fn function(&self, name: &str) -> Result<Function> {
        let missing = |_| DriverError {
            call: "cuModuleGetFunction".into(),
            name: "CUDA_ERROR_NOT_FOUND".into(),
            text: "the name has a NUL in it".into(),
            detail: String::new(),
        };
        let name = CString::new(name).map_err(missing)?;
        let mut handle = ptr::null_mut();
        // SAFETY: the driver writes a handle; the name ends with NUL.
        unsafe { cuda!(cuModuleGetFunction(&raw mut handle, self.0, name.as_ptr()))? };
        Ok(Function { handle })
    }
}

/// A kernel that was loaded.
pub struct Function {
    handle: sys::CUfunction,
}

impl Function {
    fn attribute(&self, which: FunctionAttribute) -> Result<u32> {
        let mut value = 0;
        // SAFETY: the driver writes a number.
        unsafe { cuda!(cuFuncGetAttribute(&raw mut value, which, self.handle))? };
        Ok(u32::try_from(value).unwrap_or(0))
    }

    /// Lets blocks have this much dynamic shared memory: beyond 48 KiB a function has to opt in.
    fn allow_shared(&self, bytes: u32) -> Result<()> {
        let which = FunctionAttribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        // SAFETY: a plain call.
        unsafe { cuda!(cuFuncSetAttribute(self.handle, which, bytes as c_int)) }
    }

    /// Registers, spills and shared memory of the function.
    pub fn info(&self) -> Result<FunctionInfo> {
        use FunctionAttribute as A;
        let local = self.attribute(A::CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)?;
        let mut params = Vec::new();
        loop {
            let (mut offset, mut size) = (0, 0);
            // SAFETY: the driver writes two numbers, or refuses an index beyond the last parameter.
            let code = unsafe { sys::cuFuncGetParamInfo(self.handle, params.len(), &raw mut offset, &raw mut size) };
            if code != CUresult::CUDA_SUCCESS {
                break;
            }
            params.push(size as u32);
        }
        Ok(FunctionInfo {
            registers: Some(self.attribute(A::CU_FUNC_ATTRIBUTE_NUM_REGS)?),
            spills: None,
            static_shared: self.attribute(A::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)?,
            local,
            params,
            max_threads: Some(self.attribute(A::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?),
            log: String::new(),
            contractible: 0,
        })
    }
}

/// A launch in the form that the driver takes, checked against the function: what is submitted again and again.
pub struct Prepared<'a> {
    function: sys::CUfunction,
    grid: [u32; 3],
    block: [u32; 3],
    shared: u32,
    pointers: Vec<*mut c_void>,
    attributes: Vec<sys::CUlaunchAttribute>,
    /// The parameters' bytes, which `pointers` point to, each at 8-byte alignment.
    _values: Vec<Vec<u64>>,
    _function: std::marker::PhantomData<&'a Function>,
}

impl<'a> Prepared<'a> {
    /// Checks the parameters' sizes and opts into the shared memory.
    pub fn new(function: &'a Function, info: &FunctionInfo, launch: &Launch) -> Result<Self> {
        let given: Vec<u32> = launch.args.iter().map(|value| value.len() as u32).collect();
        if given != info.params {
            return Err(DriverError {
                call: "cuLaunchKernelEx".into(),
                name: "CUDA_ERROR_INVALID_VALUE".into(),
                text: format!("the kernel's parameters have {:?} bytes, the arguments {given:?}", info.params),
                detail: String::new(),
            });
        }
        function.allow_shared(launch.shared)?;
        use sys::CUlaunchAttributeID_enum as Id;
        let mut attributes = Vec::new();
        let mut add = |id, value| attributes.push(sys::CUlaunchAttribute { id, pad: [0; 4], value });
        let [x, y, z] = launch.cluster;
        if launch.cluster != [1; 3] {
            let dims = sys::CUlaunchAttributeValue_union__bindgen_ty_1 { x, y, z };
            add(Id::CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, sys::CUlaunchAttributeValue { clusterDim: dims });
            if x * y * z > 8 {
                let which = FunctionAttribute::CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED;
                // SAFETY: a plain call.
                unsafe { cuda!(cuFuncSetAttribute(function.handle, which, 1))? };
            }
        }
        if launch.cooperative {
            add(Id::CU_LAUNCH_ATTRIBUTE_COOPERATIVE, sys::CUlaunchAttributeValue { cooperative: 1 });
        }
        if launch.dependent {
            let value = sys::CUlaunchAttributeValue { programmaticStreamSerializationAllowed: 1 };
            add(Id::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, value);
        }
        let mut values: Vec<Vec<u64>> = launch
            .args
            .iter()
            .map(|bytes| {
                let words = bytes.chunks(8).map(|chunk| {
                    let mut word = [0; 8];
                    word[..chunk.len()].copy_from_slice(chunk);
                    u64::from_le_bytes(word)
                });
                words.collect()
            })
            .collect();
        let pointers = values.iter_mut().map(|words| words.as_mut_ptr().cast()).collect();
        Ok(Self {
            function: function.handle,
            grid: launch.grid,
            block: launch.block,
            shared: launch.shared,
            pointers,
            attributes,
            _values: values,
            _function: std::marker::PhantomData,
        })
    }

    fn config(&self, stream: sys::CUstream) -> sys::CUlaunchConfig {
        let ([gx, gy, gz], [bx, by, bz]) = (self.grid, self.block);
        sys::CUlaunchConfig {
            gridDimX: gx,
            gridDimY: gy,
            gridDimZ: gz,
            blockDimX: bx,
            blockDimY: by,
            blockDimZ: bz,
            sharedMemBytes: self.shared,
            hStream: stream,
            attrs: self.attributes.as_ptr().cast_mut(),
            numAttrs: self.attributes.len() as c_uint,
        }
    }
}
