//! task-supervisor
