import '../ui/tokens.css';
import '../ui/base.css';
import './phone.css';
import { boot } from '../page/boot';
import { Phone } from './phone';
import { PhonePage } from './phone_page';

boot('phone', (client, token) => <PhonePage phone={new Phone(client, token)} />);
