// The other entry points from CommonJS.
import type goodwire = require('goodwire');
import goods = require('goodwire/goods');
import client = require('goodwire/goods/client');
import protocol = require('goodwire/protocol');

const options: protocol.ConnectionOptions = { role: 'server' };
const settings: protocol.ConnectionSettings = new protocol.ConnectionSettings(options);
const code: protocol.CloseCode = protocol.CloseCode.normalClosure;
const errors: unknown = new Error();
if (errors instanceof protocol.ProtocolError) errors.closeCode satisfies number;
if (errors instanceof client.GoodsError) errors.code satisfies string;
// @ts-expect-error there is no such member
protocol.Connection.noSuchMember;

const apple: goods.Goods<{ price: number }> = goods.defineGoods<{ price: number }>('fruit/apple');
const market = new goods.Market<string>({ authorize: ({ user }) => user.length > 0 });
const orchard = market.provider('orchard');
orchard.shelve(apple);
orchard.supply(apple, { price: 1 });
// @ts-expect-error the item is invalid
orchard.supply(apple, { cost: 1 });
// @ts-expect-error there is no such export
goods.noSuchExport;

// Types that the class does not have as values.
const isRefused = (error: goodwire.HandshakeError): boolean => error.status >= 400;
const show = (error: goodwire.ProtocolError | goodwire.InflateError | goodwire.NegotiationError): string => error.code;
const prepare = (message: goodwire.PreparedMessage, more: goodwire.BroadcastOptions): unknown => [message, more];

export = { code, isRefused, market, prepare, settings, show, subscriber: new client.GoodsClient('ws://127.0.0.1') };
