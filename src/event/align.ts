/** The next multiple of 16, as WebAssembly's loads of so many bytes like their addresses. */
export const upTo16 = (address: number): number => (address + 15) & ~15;
