//! Writes inputs to begin with into the folder that is named: frames of the sandbox, changed a little, several to an input.

use std::{error::Error, fs, path::PathBuf};

/// Enough for every kind of event that the sandbox sends.
const FRAMES: usize = 2_000;
/// Frames of one input: a guild, and what comes after it.
const TOGETHER: usize = 10;
const SEED: u64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("which folder?")?);
    fs::create_dir_all(&folder)?;
    let frames: Vec<String> = sandbox::mutate(SEED).take(FRAMES).collect();
    for (at, several) in frames.chunks(TOGETHER).enumerate() {
        fs::write(folder.join(format!("seed-{at}")), several.join("\n"))?;
    }
    Ok(())
}
