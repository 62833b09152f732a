declare module 'faye-websocket';
declare module 'permessage-deflate';
