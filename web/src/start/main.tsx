import './look';
import { render } from 'preact';
import { StartPage } from './start_page';

const root = document.getElementById('app');
if (root) {
  root.textContent = '';
  render(<StartPage />, root);
}
