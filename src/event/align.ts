/** The next multiple of 16: WebAssembly loads 16 bytes fastest at such addresses. */
export const upTo16 = (address: number): number => (address + 15) & ~15;
