// The other entry points from an ES module.
import { defineGoods, type Goods, Market } from 'goodwire/goods';
import { GoodsClient, GoodsError } from 'goodwire/goods/client';
import { CloseCode, Connection, type ConnectionOptions, ConnectionSettings, ProtocolError } from 'goodwire/protocol';

const options: ConnectionOptions = { role: 'server' };
const settings: ConnectionSettings = new ConnectionSettings(options);
const code: CloseCode = CloseCode.normalClosure;
const errors: unknown = new Error();
if (errors instanceof ProtocolError) errors.closeCode satisfies number;
if (errors instanceof GoodsError) errors.code satisfies string;
// @ts-expect-error there is no such member
Connection.noSuchMember;

const apple: Goods<{ price: number }> = defineGoods<{ price: number }>('fruit/apple');
const market = new Market<string>({ authorize: ({ user }) => user.length > 0 });
market.provider('orchard').shelve(apple);
// @ts-expect-error the item is invalid
market.provider('orchard').supply(apple, { cost: 1 });

export { code, market, settings };
export const client = new GoodsClient('ws://127.0.0.1');
