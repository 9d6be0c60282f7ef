/** Names of sources and sinks: they stand in metrics, documents and file names. */
export const NAME = /^[A-Za-z0-9][\w.-]{0,62}$/;
