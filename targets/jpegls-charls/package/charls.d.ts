// What charlswasm_decode.js gives its callers, from the package's README and its embind declarations.

export interface FrameInfo {
  width: number;
  height: number;
  bitsPerSample: number;
  componentCount: number;
}

export class JpegLSDecoder {
  constructor();
  /** A view of that many bytes of linear memory, to write the encoded image to. */
  getEncodedBuffer(encodedSize: number): Uint8Array;
  /** A view of linear memory with the decoded image. */
  getDecodedBuffer(): Uint8Array;
  decode(): void;
  getFrameInfo(): FrameInfo;
  getInterleaveMode(): number;
  getNearLossless(): number;
  delete(): void;
}
