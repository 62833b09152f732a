/**
 * Protocol core of goodwire, without I/O: RFC 6455 as values and functions. It uses no sockets, streams, emitters,
 * timers or clocks. Input and output are octets.
 *
 * @module
 */
export {
  type ClosePayload,
  formatClosePayload,
  maxReasonLength,
  parseClosePayload,
} from './connection/close-payload.ts';
export { Connection, type ConnectionEvents, type PeerError } from './connection/connection.ts';
export { type ConnectionOptions, ConnectionSettings } from './connection/connection-settings.ts';
export {
  type ConnectionState,
  type ConnectionTransition,
  nextState,
  transitions,
} from './connection/connection-state.ts';
export {
  MessageDeflater,
  type MessageDeflaterSettings,
  MessageInflater,
  type MessageInflaterSettings,
} from './extension/deflate-messages.ts';
export {
  type AcceptedOffer,
  acceptDeflateOffer,
  acceptDeflateResponse,
  type DeflateAgreement,
  type DeflateNegotiationOptions,
  type DeflateTerms,
  deflateTerms,
  offerDeflate,
  type ParameterList,
  permessageDeflate,
} from './extension/deflate-negotiation.ts';
export type { DeflateOptions } from './extension/endpoint-deflate.ts';
export { InflateError } from './extension/inflate-error.ts';
export { NegotiationError, type NegotiationErrorCode } from './extension/negotiation-error.ts';
export { CloseCode, isValidCloseCode } from './frame/close-code.ts';
export type { Frame, FrameHeader, Role } from './frame/frame.ts';
export {
  defaultMaxPayload,
  FrameCollector,
  FrameDecoder,
  type FrameDecoderOptions,
  type FrameSink,
} from './frame/frame-decoder.ts';
export {
  type EncodeFrameOptions,
  encodeFrame,
  firstOctet,
  headerLength,
  maxHeaderLength,
  writeHeader,
} from './frame/frame-encoder.ts';
export { FrameWriter } from './frame/frame-writer.ts';
export { maskInPlace, maskInto, readKey, rotateKey } from './frame/mask.ts';
export { nextMaskingKey } from './frame/masking-key.ts';
export { isControlOpcode, isKnownOpcode, Opcode } from './frame/opcode.ts';
export { ProtocolError, type ViolationCode, violations } from './frame/protocol-error.ts';
export { acceptKey } from './handshake/accept-key.ts';
export {
  type Address,
  type ClientAgreement,
  checkResponse,
  type HandshakeRequest,
  type HandshakeResponse,
  parseAddress,
  requestFields,
  requireSubprotocols,
} from './handshake/client-handshake.ts';
export { type Extension, type ExtensionParameter, formatExtensions, parseExtensions } from './handshake/extensions.ts';
export { HandshakeError, type HandshakeErrorCode } from './handshake/handshake-error.ts';
export { allowOrigins } from './handshake/origin.ts';
export {
  agree,
  agreementLines,
  formatHead,
  formatRefusal,
  type HandshakeRequestFields,
  type Offer,
  type Refusal,
  readOffer,
  type ServerAgreement,
} from './handshake/server-handshake.ts';
export { parseSubprotocols } from './handshake/subprotocols.ts';
export {
  type MessageData,
  MessageDecoder,
  type MessageDecoderOptions,
  type MessageSink,
} from './message/message-decoder.ts';
export { PreparedMessage, type PreparedMessageOptions } from './message/prepared-message.ts';
export { Utf8Validator } from './message/utf8-validator.ts';
export { writeMessage } from './message/write-message.ts';
