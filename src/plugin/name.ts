/** Names of sources and sinks, which are used in metrics, documents and file names. */
export const NAME = /^[A-Za-z0-9][\w.-]{0,62}$/;
