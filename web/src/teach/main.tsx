import './look';
import { boot } from '../page/boot';
import { TeachPage } from './teach_page';
import { Teaching } from './teaching';

boot('teach', (client, token) => {
  const teaching = new Teaching(client, token);
  void teaching.start();
  return <TeachPage teaching={teaching} />;
});
