use crate::planes::Planes;
pub(crate) struct World { pub(crate) planes: Planes }
