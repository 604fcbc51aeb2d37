mod listener;
mod log;
