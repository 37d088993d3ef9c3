import '../ui/tokens.css';
import '../ui/base.css';
import '../page/stage.css';
import './teach.css';
import './preflight.css';
import './floating.css';
import { boot } from '../page/boot';
import { TeachPage } from './teach_page';
import { Teaching } from './teaching';

boot('teach', (client, token) => {
  const teaching = new Teaching(client, token);
  void teaching.start();
  return <TeachPage teaching={teaching} />;
});
