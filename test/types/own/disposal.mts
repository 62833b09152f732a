// A client of goods as a resource. TypeScript has `await using` from 5.2 on.
import { GoodsClient } from 'goodwire/goods/client';

export async function closed(): Promise<void> {
  await using client = new GoodsClient('ws://127.0.0.1');
  await client.subscribe('fruit/apple');
}
