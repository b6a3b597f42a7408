//! How much of an image is taken in. Every count that a stranger can drive up has its bound here.

/// Bounds of one image, all its layers together unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all layers unpacked; holes of sparse files count.
    pub unpacked: u64,
    /// Entries of all layers, whiteouts too.
    pub entries: u64,
    /// Bytes of a path, of a link's target and of a path after its links are followed (PATH_MAX).
    pub path: usize,
    /// Bytes of names, link targets and extended attributes, which are kept in memory.
    pub metadata: u64,
    /// Bytes of what describes one entry: pax records, long names, sparse maps.
    pub headers: u64,
    /// Unpacked bytes for one packed byte of a layer; looked at after [`Limits::ratio_from`]. 0: any.
    pub ratio: u64,
    /// A layer that unpacks to no more than so many bytes may have any ratio.
    pub ratio_from: u64,
    /// Layers.
    pub layers: usize,
    /// Bytes of all layers as they are stored.
    pub packed: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked: 32 << 30,
            entries: 2_000_000,
            path: 4096,
            metadata: 512 << 20,
            headers: 1 << 20,
            ratio: 200,
            ratio_from: 256 << 20,
            layers: 500,
            packed: 32 << 30,
        }
    }
}

/// What of the limits is used up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used {
    pub(crate) unpacked: u64,
    pub(crate) entries: u64,
    pub(crate) metadata: u64,
}
